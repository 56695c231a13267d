use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Whether `expr` matches `value`.
fn matches(expr: &str, value: &str) -> Result<bool, PatternError> {
    TagPattern::new(expr).map(|pattern| pattern.is_match(value))
}

#[test]
fn the_recorded_expressions_match_as_in_go() {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/serf.json"))
        .expect("the vectors are JSON");
    let cases = vectors["tag_regex"].as_array().expect("a list");
    assert!(cases.len() >= 45, "only {} cases", cases.len());
    for case in cases {
        let expr = case["expr"].as_str().expect("text");
        let result = matches(expr, case["value"].as_str().expect("text"));
        let refused = case["compile_error"].as_bool().unwrap_or(false);
        assert_eq!(result.is_err(), refused, "{case}: {result:?}");
        assert_eq!(Some(result.unwrap_or(false)), case["matches"].as_bool(), "{case}");
    }
}

/// Asserts which of the values an expression matches.
fn check(expr: &str, yes: &[&str], no: &[&str]) {
    for value in yes {
        assert_eq!(matches(expr, value), Ok(true), "{expr:?} on {value:?}");
    }
    for value in no {
        assert_eq!(matches(expr, value), Ok(false), "{expr:?} on {value:?}");
    }
}

fn refused(expected: PatternError, exprs: &[&str]) {
    for expr in exprs {
        assert_eq!(TagPattern::new(expr).map(|_| ()), Err(expected), "{expr:?}");
    }
}

#[test]
fn classes_of_one_letter_and_word_boundaries_are_ascii() {
    check(r"^\d$", &["0", "9"], &["\u{665}", "a", ""]);
    check(r"^\D$", &["\u{665}", "a", "\n"], &["5"]);
    check(r"^\w$", &["a", "Z", "0", "_"], &["\u{e9}", "-"]);
    check(r"^\W$", &["\u{e9}", "-"], &["a"]);
    check(r"^\s$", &[" ", "\t", "\n", "\r", "\u{c}"], &["\u{b}", "\u{a0}", "\u{2003}"]);
    check(r"^\S$", &["\u{b}", "\u{a0}", "x"], &[" "]);
    check(r"\bx", &["\u{e9}x", "x"], &["ax"]);
    check(r"\Bx", &["ax"], &["x", "\u{e9}x"]);
    check(r"\B", &["", "\u{e9}", "ab"], &["a"]);
    check(r"^[\d\-_\s]+$", &["1 2-3_4"], &["a", "\u{665}"]);
    check(r"^[^\W]$", &["a"], &["-"]);
    check(r"^[\Wa]$", &["a", "-"], &["b"]);
    // Folding reaches beyond ASCII, here too.
    check(r"(?i)^\w$", &["\u{17f}", "\u{212a}", "a"], &["\u{e9}"]);
    check(r"(?i)^\W$", &["\u{e9}"], &["\u{17f}", "\u{212a}", "a"]);
}

#[test]
fn quotations_are_literal() {
    check(r"^\Qa.b*\E$", &["a.b*"], &["axb"]);
    check(r"^\Qa.b*", &["a.b*", "a.b*x"], &["axb"]);
    check(r"^\Qab\E+$", &["ab", "abbb"], &["abab"]);
    check(r"^a\Q\E*$", &["", "aaa"], &["b"]);
    check(r"^\Q\\E$", &[r"\"], &[""]);
    check(r"^\Q(\E(b)$", &["(b"], &[]);
    check(r"(?i)\QK.\E", &["\u{212a}."], &["kk"]);
    refused(PatternError::Escape, &[r"\E", r"[\Qa\E]"]);
}

#[test]
fn repetitions_have_gos_limits() {
    check("^a{2,3}$", &["aa", "aaa"], &["a", "aaaa"]);
    check("^a{2,}$", &["aa", "aaaaa"], &["a"]);
    check("^a{2}$", &["aa"], &["a", "aaa"]);
    check("^a{0}$", &[""], &["a"]);
    check("^(?:a*)*$", &["", "aaa"], &["b"]);
    check("^a*?b+?c??$", &["b", "aabbc"], &["a"]);
    check(r"^*x\b+$", &["x"], &["y"]);
    check("^(a{100}){10}$", &[&"a".repeat(1_000)], &["a"]);
    check("^((a{1000}){0}){1000}$", &[""], &["a"]);
    check("^((a{500}){1}){2}$", &[&"a".repeat(1_000)], &["a"]);
    // Flags and empty quotations stand between two repetitions; the second one then repeats the first.
    check("^a+(?i)?$", &["", "aa"], &["b"]);
    check(r"^ba{2}\Q\E{2}$", &["baaaa"], &["baa", "baaa"]);
    check("^a(?i){2}$", &["aa"], &["aA"]);
    refused(
        PatternError::RepetitionCount,
        &["a{1001}", "a{0,1001}", "a{1001,}", "a{2,1}", "a{99999999999}", "a{0,99999999999}"],
    );
    refused(
        PatternError::RepetitionCount,
        &[
            "(a{100}){11}",
            "(x(a{1000})){2}",
            "((a{10}){10}b){11}",
            "(a{501}){2,}",
            "(a{600,}){0,2}",
        ],
    );
    refused(PatternError::DoubleRepetition, &["a**", "a*+", "a???", "a{2}{3}", "a*{2}", "a+??"]);
    refused(
        PatternError::NothingToRepeat,
        &["*", "+a", "?", "{2}", "(*a)", "a|*", "(?i)*", "(|{2})", r"\Q\E*", "a|(?i)+"],
    );
}

#[test]
fn braces_that_are_no_count_are_literal() {
    check("^{$", &["{"], &[]);
    check("^x{,2}$", &["x{,2}"], &["xx"]);
    check("^x{2$", &["x{2"], &["xx"]);
    check("^x{a}$", &["x{a}"], &[]);
    check("^x{}$", &["x{}"], &[]);
    check("^x{01}$", &["x{01}"], &["x"]);
    check("^x{1,02}$", &["x{1,02}"], &["x"]);
    check("^x{ 2}}$", &["x{ 2}}"], &[]);
    check("^x{+$", &["x{", "x{{"], &["x"]);
}

#[test]
fn groups_and_flags() {
    check("(?P<name>a)(?P<n2>b)", &["ab"], &["a"]);
    check("^(?i:a)b$", &["ab", "Ab"], &["aB"]);
    check("^(?i)a(?-i)b$", &["Ab"], &["AB"]);
    check("^(a(?i)b)c$", &["aBc"], &["aBC", "Abc"]);
    check("^(?:a(?i)|b)$", &["a", "B"], &["A"]);
    check("(?i)^a|b$", &["B"], &["c"]);
    check("^(?s-i:.)$", &["\n"], &[]);
    check("^(?s:.).$", &["\na"], &["a\n"]);
    check("(?m)^a$", &["b\na\nc"], &["ba"]);
    check("(?-m)^a$", &["a"], &["b\na"]);
    check(r"(?m)\Aa\z", &["a"], &["b\na", "a\nb"]);
    check("(?U)^a+?$", &["aa"], &["b"]);
    check("(?ismU)A.B", &["xa\nbx"], &["ab"]);
    check("^(?)a(?ii)b$", &["aB"], &["AB"]);
    check("^()(|a)$", &["", "a"], &["b"]);
    refused(
        PatternError::Group,
        &[
            "(?x)a",
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            "(?<n>a)",
            "(?P=n)",
            "(?P<n",
            "(?P<>a)",
            "(?P<a-b>a)",
            "(?P<n>a)(?P<n>b)",
            "(?i",
            "(?-)",
            "(?i-)",
            "(?--i)",
            "(?-:a)",
            "(?#a)",
            "(?>a)",
            "(?u)a",
            "(?R)",
        ],
    );
    refused(PatternError::Unclosed, &["(", "((a)", "(?:a", "(?P<n>a"]);
    refused(PatternError::Unopened, &["a)", "(a))", ")("]);
}

#[test]
fn escapes_are_those_of_go() {
    check(r"^\x41\x{42}\x{1F600}\103\061\07$", &["AB\u{1f600}C1\u{7}"], &[]);
    check(r"^\a\f\t\n\r\v$", &["\u{7}\u{c}\t\n\r\u{b}"], &[]);
    check(r"^\0\01\0012$", &["\0\u{1}\u{1}2"], &[]);
    check(r"^\_\-\/\.\@\ \{\}\<\>\%$", &["_-/.@ {}<>%"], &[]);
    check(r"^\x{0000041}$", &["A"], &[]);
    check(r"^\x{D800}|a$", &["a"], &["", "\u{fffd}"]);
    check(r"^\377$", &["\u{ff}"], &[]);
    refused(
        PatternError::Escape,
        &[
            r"\",
            r"\1",
            r"\18",
            r"\8",
            r"\9",
            r"\Z",
            r"\C",
            r"\q",
            r"\y",
            r"\e",
            r"\c",
            r"\G",
            r"\K",
            r"\R",
            r"\X",
            r"\h",
            r"\u0041",
            "\\\u{e9}",
            r"\x",
            r"\x4",
            r"\xg1",
            r"\x{}",
            r"\x{110000}",
            r"\x{4",
            r"\x{g}",
            "\\x4\u{e9}",
        ],
    );
}

#[test]
fn brackets_have_no_set_operations_and_do_not_nest() {
    check("^[a&&b]$", &["a", "&", "b"], &["c"]);
    check("^[a~~b]$", &["a", "~", "b"], &["c"]);
    check("^[[a]$", &["[", "a"], &["[a]"]);
    check("^[[a]]$", &["a]", "[]"], &["a"]);
    check("^[]a]$", &["]", "a"], &["b"]);
    check("^[^]a]$", &["b", "\n"], &["]", "a"]);
    check("^[a-]$", &["a", "-"], &["b"]);
    check("^[-a]$", &["a", "-"], &["b"]);
    check("^[a-c-e]$", &["b", "-", "e"], &["d"]);
    check(r"^[\d-z]$", &["5", "-", "z"], &["a"]);
    check("^[+--]$", &["+", ",", "-"], &["."]);
    check(r"^[a^\]\\]$", &["a", "^", "]", r"\"], &["b"]);
    check(r"^[\x41-\103]$", &["A", "B", "C"], &["D"]);
    check(r"^[\x{D000}-\x{DFFF}]$", &["\u{d7ff}"], &["\u{e000}", "a"]);
    check(r"[\x{D800}-\x{DFFF}]", &[], &["a", ""]);
    check(r"^[^\x{D800}-\x{DFFF}]$", &["a", "\u{e000}"], &[""]);
    check(r"[^\x00-\x{10FFFF}]", &[], &["a", ""]);
    check("^[.*$(|]+$", &[".*$(|"], &["a"]);
    check("^(?i)[^k]$", &["a"], &["k", "K", "\u{212a}"]);
    check("^[# ]$", &["#", " "], &["a"]);
    refused(
        PatternError::Class,
        &[
            "[",
            "[]",
            "[^]",
            "[a",
            "[a-",
            "[z-a]",
            "[a--b]",
            r"[a-\x40]",
            "[a-[:alpha:]]",
            "[[:alpha:]",
        ],
    );
    refused(PatternError::Escape, &[r"[\b]", r"[\A]", r"[a-\d]", r"[\", r"[\1]"]);
}

#[test]
fn ascii_classes() {
    check("^[[:alpha:]]+$", &["abcXYZ"], &["1", "\u{e9}"]);
    check("^[[:^alpha:]]+$", &["1-\u{e9}"], &["a"]);
    check("^[[:space:]]+$", &[" \t\n\u{b}\u{c}\r"], &["\u{a0}"]);
    check("^[[:punct:]]+$", &["!/:@[`{~\\^-&"], &["a", " "]);
    check("^[[:word:]x-z.]+$", &["a_1."], &["-"]);
    check("^[[:xdigit:]]+$", &["09afAF"], &["g"]);
    check("^[[:cntrl:]]$", &["\0", "\u{7f}"], &[" "]);
    check("^[[:print:]]$", &[" ", "~"], &["\n"]);
    check("^[[:graph:]]$", &["!", "~"], &[" "]);
    check("^[[:blank:]]$", &[" ", "\t"], &["\n"]);
    check("^[[:upper:][:digit:]]+$", &["A1"], &["a"]);
    check("(?i)^[[:upper:]]$", &["a", "\u{17f}"], &["1"]);
    check("(?i)^[[:^upper:]]$", &["1"], &["a", "A", "\u{17f}"]);
    check("^[[:alnum:][:ascii:]]$", &["a", "!"], &["\u{e9}"]);
    check("^[[:lower]$", &["[", ":", "l"], &["a"]);
    check("^[:alpha:]$", &[":", "a", "p"], &["b"]);
    refused(PatternError::Class, &["[[:foo:]]", "[[:Alpha:]]", "[[::]]", "[[:a]x[b:]]"]);
}

#[test]
fn unicode_properties_are_named_exactly() {
    check(r"^\pL$", &["a", "\u{e9}"], &["1"]);
    check(r"^\PL$", &["1"], &["a"]);
    check(r"^\p{Lu}$", &["A", "\u{c9}"], &["a"]);
    check(r"^\p{^Lu}$", &["a"], &["A"]);
    check(r"^\P{^Lu}$", &["A"], &["a"]);
    check(r"(?i)^\p{Lu}$", &["a", "A"], &["1"]);
    check(r"(?i)^\P{Lu}$", &["1"], &["a", "A"]);
    check(r"^\p{Greek}+$", &["\u{3b1}\u{3a9}"], &["a"]);
    check(r"^[\p{Greek}\pN_]+$", &["\u{3b1}\u{661}_"], &["a"]);
    check(r"^[^\pL]$", &["1"], &["a"]);
    check(r"^\p{Any}$", &["a", "\n"], &[""]);
    check(r"\P{Any}", &[], &["a"]);
    check(r"^\p{Cs}|\P{Cs}$", &["a"], &[""]);
    // Unassigned code points belong to no category.
    check(r"^\p{C}$", &["\0", "\u{ad}", "\u{e000}"], &["\u{378}", "a"]);
    check(r"^\pZ$", &[" ", "\u{a0}"], &["a"]);
    refused(
        PatternError::Class,
        &[
            r"\p",
            r"\pX",
            r"\p{}",
            r"\p{lu}",
            r"\p{greek}",
            r"\p{Letter}",
            r"\p{L",
            r"\p{gc=Lu}",
            r"\p{Cn}",
            r"\p{Alphabetic}",
            r"\p{any}",
            r"\p{^}",
            r"\p^",
            r"\p{sc=Greek}",
            r"[\p{Foo}]",
            "\\p\u{e9}",
            r"\p{Kawi}",
        ],
    );
}

#[test]
fn an_expression_that_costs_too_much_is_refused() {
    let longest = "a".repeat(PATTERN_BYTES_MAX);
    assert_eq!(matches(&longest, &longest), Ok(true));
    refused(PatternError::TooLong, &[&format!("{longest}a")]);
    refused(PatternError::TooLarge, &[r"\pL{1000}", r"(?i)[^\x00]{900}", &r"\pL".repeat(17)]);
    for wide in [r"[a-\x{10FFFF}]", r"\p{Any}", r"[^\P{Any}]"] {
        assert_eq!(matches(&wide.repeat(3), "xyz"), Ok(true), "{wide}");
        refused(PatternError::TooLarge, &[&format!("(?i){}", wide.repeat(3))]);
    }
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(matches(&nested(200), "a"), Ok(true));
    refused(PatternError::TooLarge, &[&nested(400)]);
    // What people write fits.
    check(r"^[\w.-]{1,63}(\.[\w.-]{1,63}){0,3}$", &["a.b-c"], &["a b"]);
    check(r"^.{1,100}$", &["\u{e9}"], &[""]);
}

/// Text of the characters that mean something in an expression.
fn dense() -> impl Strategy<Value = String> {
    let pieces = vec![
        "a", "K", "1", "{", "}", ",", "2", "(", ")", "[", "]", "^", "$", "-", "&&", "~~", "--",
        "*", "+", "?", "|", ".", "\\", "\\Q", "\\E", "\\d", "\\W", "\\pL", "\\p{", "Greek", "[:",
        ":]", "alpha", "(?", "(?:", "(?i)", "(?-s", "P<n>", "\\x", "\\x{", "D800", "\\b", "\u{e9}",
        "#", " ", "\n", "{2,3}", "{0}",
    ];
    proptest::collection::vec(proptest::sample::select(pieces), 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_compiles_or_is_refused(expr in any::<String>(), value in any::<String>()) {
        let _ = matches(&expr, &value);
    }

    /// What the translation accepts the crate understands: only its limits may refuse it.
    #[test]
    fn dense_text_compiles_or_is_refused(expr in dense(), value in any::<String>()) {
        if let Ok(translated) = dialect::translate(&expr) {
            let built = RegexBuilder::new(&translated).size_limit(PROGRAM_BYTES_MAX).build();
            let sound = !matches!(built, Err(regex::Error::Syntax(_)));
            prop_assert!(sound, "{:?} became {:?}: {:?}", expr, translated, built);
        }
        let _ = matches(&expr, &value);
    }

    #[test]
    fn a_quoted_text_matches_itself(value in any::<String>()) {
        prop_assume!(!value.contains(r"\E") && !value.ends_with('\\') && value.len() < 1_000);
        prop_assert_eq!(matches(&format!(r"^\Q{value}\E$"), &value), Ok(true));
        prop_assert_eq!(matches(&format!(r"^\Q{value}\Ex$"), &value), Ok(false));
    }
}

#[test]
fn a_flood_of_expressions_is_not_compiled() {
    let mut patterns = Patterns::default();
    let at = |nanos| Instant::from_nanos(nanos);
    let compiled = (0..1_000)
        .filter(|number| patterns.is_match(&format!("^{number}$"), "7", at(0)).is_some())
        .count();
    assert_eq!(compiled, 40);
    assert_eq!(patterns.is_match("^39$", "39", at(0)), Some(true), "the last ones are kept");
    assert_eq!(patterns.is_match("^7$", "7", at(0)), None, "older ones are not");
    assert_eq!(patterns.is_match("^7$", "7", at(COMPILE_COST)), Some(true), "time goes on");
    assert_eq!(
        patterns.is_match("(", "(", at(10 * SECOND)),
        Some(false),
        "refused ones match nothing"
    );
}

#[test]
fn a_refusal_shows_the_part_that_go_shows() {
    let cases = [
        ("^a**$", "**"),
        ("^x{2}{3}$", "{2}{3}"),
        ("^a*+?$", "*+?"),
        ("^[z-a]$", "z-a"),
        (r"^\y$", r"\y"),
        (r"^[x\y]$", r"\y"),
        (r"^[a-\d]$", r"\d"),
        (r"^\8$", r"\8"),
        (r"^\pX$", r"\pX"),
        ("^(?<n>a)$", "(?<"),
        ("^(?z)$", "(?z"),
        ("^(?$", "(?$"),
        ("^(?P<n$", "(?P<n$"),
        ("^a)$", "^a)$"),
        ("^((a$", "^((a$"),
        ("^a{1001}$", "{1001}"),
        ("^[[:foo:]]$", "[:foo:]"),
        ("^[a$", "[a$"),
        ("^[$", "[$"),
        ("^a|*$", "*"),
        ("^(*)$", "*"),
    ];
    let limits = Limits { pattern_bytes_max: 1_024, program_bytes_max: 1 << 18 };
    for (expr, part) in cases {
        let refusal = TagPattern::within(expr, limits).map(|_| ()).unwrap_err();
        assert_eq!(refusal.part, part, "{expr}: {refusal}");
    }
}
