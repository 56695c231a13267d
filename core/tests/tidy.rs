//! The house rules that a compiler does not check: direction of imports, size of files and functions, module docs, and
//! a map that names only what exists.
#![expect(clippy::disallowed_methods, reason = "only tests read files")]

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// The chain of the core: a module may import only modules of its own link or of links before it.
const CHAIN: [&[&str]; 9] = [
    &[
        "time",
        "timers",
        "rng",
        "math",
        "ids",
        "idmap",
        "config",
        "keyring",
        "tags",
        "command",
        "event",
        "trace",
        "stats",
        "coordinate",
        "snapshot",
    ],
    &["msg"],
    &["wire"],
    &["pool"],
    &["queue"],
    &["swim"],
    &["serf"],
    &["io"],
    &["node"],
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry"))
        {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Rust files that are not tests, with their text before the first test module.
fn production_code() -> Vec<(PathBuf, String)> {
    let folders = ["core/src", "sim/src", "agent/src"];
    folders
        .iter()
        .flat_map(|folder| sources(&root().join(folder)))
        .filter(|path| !is_test(path))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a text");
            let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
            let text = text[..end].to_owned();
            (path, text)
        })
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .is_some_and(|stem| matches!(stem, "tests" | "testing") || stem.ends_with("_tests"))
}

fn rank(module: &str) -> Option<usize> {
    CHAIN.iter().position(|link| link.contains(&module))
}

#[test]
fn the_core_imports_only_to_the_left() {
    let source = root().join("core/src");
    let mut wrong = Vec::new();
    for (path, text) in production_code().iter().filter(|(path, _)| path.starts_with(&source)) {
        let inside = path.strip_prefix(&source).expect("below the source");
        let module = inside.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let own = rank(module).unwrap_or_else(|| panic!("{module} is missing in the chain"));
        for import in text.split("crate::").skip(1) {
            let name: String =
                import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if rank(&name).is_some_and(|imported| imported > own) {
                wrong.push(format!("{}: imports {name}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the direction:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_driver_of_the_agent_runs_a_node() {
    let source = root().join("agent/src");
    for (path, text) in production_code().iter().filter(|(path, _)| path.starts_with(&source)) {
        let inside = path.strip_prefix(&source).expect("below the source");
        let names = text.contains("uwasa_core::node");
        assert!(inside.starts_with("driver") || !names, "{}: names the node", inside.display());
    }
}

#[test]
fn tasks_of_the_agent_start_in_one_place() {
    let source = root().join("agent/src");
    for (path, text) in production_code().iter().filter(|(path, _)| path.starts_with(&source)) {
        let inside = path.strip_prefix(&source).expect("below the source");
        let starts = ["tokio::spawn", "spawn_local", "JoinSet", "tokio::task::spawn("];
        let found = starts.iter().find(|start| text.contains(*start));
        assert!(
            inside == Path::new("task.rs") || found.is_none(),
            "{}: {found:?}",
            inside.display()
        );
    }
}

#[test]
fn files_and_functions_stay_readable() {
    let mut wrong = Vec::new();
    for (path, text) in production_code() {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            wrong.push(format!("{}: {} lines", path.display(), lines.len()));
        }
        for (start, line) in lines.iter().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let declares =
                line.trim_start().split("fn ").next().is_some_and(|before| {
                    line.contains("fn ") && before.split(' ').all(is_modifier)
                });
            let closing = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| *line == closing);
            if declares && !line.ends_with(';') && length.is_some_and(|l| l >= FUNCTION_LINES_MAX) {
                wrong.push(format!("{}:{}: function too long", path.display(), start + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

fn is_modifier(word: &str) -> bool {
    word.is_empty() || matches!(word, "const" | "async") || word.starts_with("pub")
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in production_code() {
        assert!(text.starts_with("//! "), "{}: no module docs", path.display());
    }
}

#[test]
fn no_leftovers() {
    // Spelled in pieces, so that this file does not contain them itself.
    let banned = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("unimpl", "emented!"),
    ];
    for (path, text) in production_code() {
        for word in banned {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn the_map_names_only_what_exists() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the map");
    let mut known: Vec<String> = Vec::new();
    for folder in ["core", "sim", "agent", "benches"] {
        let folder = root().join(folder);
        known.extend(sources(&folder).iter().map(|path| path.to_string_lossy().into_owned()));
    }
    for name in map.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")) {
        let names = expand(name);
        for name in names.iter().filter(|name| !name.contains('*')) {
            let suffix = format!("/{name}");
            let found = known.iter().any(|path| path.ends_with(&suffix));
            assert!(found, "ARCHITECTURE.md names {name}, which does not exist");
        }
    }
}

/// `a/{b,c}.rs` stands for `a/b.rs` and `a/c.rs`.
fn expand(name: &str) -> Vec<String> {
    let (Some(open), Some(close)) = (name.find('{'), name.find('}')) else {
        return vec![name.to_owned()];
    };
    let (head, tail) = (&name[..open], &name[close + 1..]);
    name[open + 1..close].split(',').map(|middle| format!("{head}{middle}{tail}")).collect()
}
