//! A TOML document as a tree in which every value knows where it was written, with `--set` changes applied.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Lines, Place, Problems};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a scenario file can hold.
#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// Valid TOML that no key of a scenario takes: dates, and integers beyond 64 bits.
    Other(&'static str),
    Array(Vec<Item>),
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) item: Item,
}

impl Value {
    /// The kind of value in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Other(kind) => kind,
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Keys that have a short form: `--set nodes=100` changes `nodes.count` where the file has a table.
const SHORT_FORMS: [(&str, &str); 2] = [("nodes", "count"), ("start", "kind")];

/// Most steps of the key of a `--set`: more than any scenario has, few enough to be walked by recursion.
const STEPS_MAX: usize = 16;

/// Reads `text`; syntax errors become problems, all of them.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Item> {
    let lines = Lines::new(text);
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        problems.add(lines.place(text, offset), "", format!("not valid TOML: {}", error.message()));
    }
    if !errors.is_empty() {
        return None;
    }
    let place_of = |offset: usize| lines.place(text, offset);
    Some(Item {
        place: Place::Text { line: 1, column: 1 },
        value: Value::Table(table(root.into_inner(), &place_of)),
    })
}

/// Applies the `--set` with this index to the document.
pub(super) fn set(root: &mut Item, index: usize, text: &str, problems: &mut Problems<'_>) {
    let place = Place::Flag(index);
    let Some((path, raw)) = text.split_once('=') else {
        problems.add(place, "", "has no value: write --set key=value, as in network.loss=0.25");
        return;
    };
    let path = path.trim();
    let Some(steps) = steps(path) else {
        problems.add(
            place,
            "",
            format!("\"{path}\" is no key: write one such as network.loss or fault[0].at"),
        );
        return;
    };
    if steps.len() > STEPS_MAX {
        problems.add(
            place,
            "",
            format!(
                "the key has {} steps, and no scenario has more than {STEPS_MAX}: write one such as network.loss",
                steps.len()
            ),
        );
        return;
    }
    let value = Item { place, value: flag_value(raw.trim(), place) };
    if let Err(error) = put(root, &steps, value, place) {
        problems.add(place, path, error);
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `fault[0].at` and `fault.0.at` mean the same.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return None;
        }
        match key.parse() {
            Ok(index) if !steps.is_empty() => steps.push(Step::Index(index)),
            _ => steps.push(Step::Key(key)),
        }
        while let Some(inner) = rest.strip_prefix('[') {
            let (index, after) = inner.split_once(']')?;
            steps.push(Step::Index(index.parse().ok()?));
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(steps)
}

/// A TOML value; whatever is none is a string, so that `start=cold` needs no quotes in a shell.
fn flag_value(raw: &str, place: Place) -> Value {
    match DeValue::parse(raw) {
        Ok(value) => item(value, &|_| place).value,
        Err(_) => Value::String(raw.into()),
    }
}

fn put(target: &mut Item, steps: &[Step<'_>], new: Item, place: Place) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        return replace(target, new);
    };
    let kind = target.value.kind();
    match (step, &mut target.value) {
        (Step::Key(key), Value::Table(entries)) => {
            let known = entries.iter().position(|entry| entry.key == *key);
            if let (None, Some(Step::Index(_))) = (known, rest.first()) {
                return Err(format!("the file has no `{key}` to change"));
            }
            let index = known.unwrap_or_else(|| {
                let item = Item { place, value: Value::Table(Vec::new()) };
                entries.push(Entry { key: (*key).into(), key_place: place, item });
                entries.len() - 1
            });
            let short = SHORT_FORMS.iter().find(|(long, _)| rest.is_empty() && long == key);
            let item = &mut entries[index].item;
            match (short, &item.value, &new.value) {
                (_, _, Value::Table(_) | Value::Array(_)) | (None, ..) => {
                    put(item, rest, new, place)
                }
                (Some((_, inner)), Value::Table(_), _) if known.is_some() => {
                    put(item, &[Step::Key(inner)], new, place)
                }
                _ => put(item, rest, new, place),
            }
        }
        (Step::Index(index), Value::Array(items)) => {
            let count = items.len();
            let Some(item) = items.get_mut(*index) else {
                return Err(format!("there is no [{index}]: the file has {count}, from [0]"));
            };
            put(item, rest, new, place)
        }
        (Step::Index(index), _) => Err(format!("[{index}] needs a list, and this is {kind}")),
        (Step::Key(key), _) => {
            Err(format!("\"{key}\" needs a table to be in, and the file has {kind} there"))
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the leaf of a fallible recursion")]
fn replace(target: &mut Item, new: Item) -> Result<(), String> {
    *target = new;
    Ok(())
}

fn table(source: DeTable<'_>, place_of: &dyn Fn(usize) -> Place) -> Vec<Entry> {
    let mut entries: Vec<Entry> = source
        .into_iter()
        .map(|(key, value)| Entry {
            key_place: place_of(key.span().start),
            key: key.into_inner().into_owned(),
            item: item(value, place_of),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_place);
    entries
}

fn item(source: Spanned<DeValue<'_>>, place_of: &dyn Fn(usize) -> Place) -> Item {
    let place = place_of(source.span().start);
    let value = match source.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
            .map_or(Value::Other("a number too large"), Value::Integer),
        DeValue::Float(digits) => {
            digits.as_str().parse().map_or(Value::Other("no number"), Value::Float)
        }
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => {
            Value::Array(items.into_iter().map(|value| item(value, place_of)).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, place_of)),
    };
    Item { place, value }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn apply(text: &str, flag: &str) -> (Item, Vec<String>) {
        let sets = [flag.to_owned()];
        let mut problems = Problems::new(Path::new("x.toml"), &sets);
        let mut root = read(text, &mut problems).expect("valid TOML");
        set(&mut root, 0, flag, &mut problems);
        (root, problems.into_errors().messages)
    }

    fn find<'a>(item: &'a Item, path: &[&str]) -> &'a Value {
        path.iter().fold(&item.value, |value, key| {
            if let Value::Table(entries) = value {
                let entry = entries.iter().find(|entry| entry.key == *key);
                return &entry.expect("the key").item.value;
            }
            let Value::Array(items) = value else { panic!("{value:?} has no {key}") };
            &items[key.parse::<usize>().expect("an index")].value
        })
    }

    #[test]
    fn a_value_is_replaced_deep_inside() {
        let (root, errors) = apply("[[fault]]\nat = \"1s\"\n", "fault[0].at=2s");
        assert_eq!(errors, Vec::<String>::new());
        assert!(matches!(find(&root, &["fault", "0", "at"]), Value::String(text) if text == "2s"));
    }

    #[test]
    fn a_missing_table_is_made() {
        let (root, _) = apply("nodes = 3\n", "network.loss=0.25");
        assert!(matches!(find(&root, &["network", "loss"]), Value::Float(loss) if *loss == 0.25));
    }

    #[test]
    fn the_short_form_changes_the_count_and_keeps_the_table() {
        let (root, _) = apply("nodes = { count = 52, name = \"h{n}\" }\n", "nodes=100");
        assert!(matches!(find(&root, &["nodes", "count"]), Value::Integer(100)));
        assert!(matches!(find(&root, &["nodes", "name"]), Value::String(_)));
    }

    #[test]
    fn endless_paths_are_refused_in_few_words() {
        let flag = format!("a{}=1", ".a".repeat(50_000));
        let (_, errors) = apply("nodes = 3\n", &flag);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].ends_with(
            "…: the key has 50001 steps, and no scenario has more than 16: write one such as network.loss"
        ));
        assert!(errors[0].len() < 300, "{}", errors[0]);
        let (_, errors) = apply("nodes = 3\n", "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1");
        assert_eq!(errors, Vec::<String>::new());
    }

    #[test]
    fn impossible_paths_are_explained() {
        let (_, errors) = apply("[[fault]]\nat = \"1s\"\n", "fault[3].at=2s");
        assert_eq!(
            errors,
            ["--set fault[3].at=2s: fault[3].at: there is no [3]: the file has 1, from [0]"]
        );
        let (_, errors) = apply("nodes = 3\n", "nodes.count.x=2");
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}
