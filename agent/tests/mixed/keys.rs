//! Encryption keys: changed from either side, kept in files of either side.

use serde_json::json;

use crate::world::{Agent, BOTH_WAYS, KEY, KEY_2, Kind, Wire, World, at_once, has_peer, wait_for};

/// Runs a key command until every member has answered: it is a query, and a busy machine may miss its end.
fn keys(agent: &Agent, by: Kind, words: &[&str], want: &str) {
    let mut command = vec!["keys"];
    command.extend(words);
    let what = format!("{want:?} for {words:?} at {} ({:?}) by {by:?}", agent.name, agent.kind);
    wait_for(&what, || {
        let said = agent.told_by(by, &command);
        let mut lines: Vec<_> = said.stdout.lines().collect();
        lines.sort_unstable();
        let mut wanted: Vec<_> = want.lines().collect();
        wanted.sort_unstable();
        if lines == wanted { Ok(()) } else { Err(said) }
    });
}

fn listed(keys: &[(&str, u8)]) -> String {
    let mut text = "==> Asking all members for installed keys...\n\
                    ==> Keys gathered, listing cluster keys...\n\n"
        .to_owned();
    let width = keys.iter().map(|(key, _)| key.len()).max().unwrap_or_default();
    for (key, have) in keys {
        text.push_str(&format!("{key:width$}  [{have}/3]\n"));
    }
    text
}

const INSTALLED: &str = "==> Installing key on all members...\n==> Successfully installed key!\n";
const USED: &str =
    "==> Changing primary key on all members...\n==> Successfully changed primary key!\n";
const REMOVED: &str = "==> Removing key on all members...\n==> Successfully removed key!\n";

/// What the keyring file of an agent must hold, byte for byte.
fn holds(world: &World, names: &[&str], keys: &[&str]) {
    let want = serde_json::to_string_pretty(&json!(keys)).expect("JSON");
    for name in names {
        assert_eq!(world.read(&format!("{name}.keyring")), want, "the file of {name}");
    }
}

#[test]
fn keys_are_changed_from_either_side() {
    if !has_peer("keys_are_changed_from_either_side") {
        return;
    }
    let sides = [
        (Kind::Ours, Kind::Peer, Kind::Ours),
        (Kind::Ours, Kind::Peer, Kind::Peer),
        (Kind::Peer, Kind::Ours, Kind::Ours),
        (Kind::Peer, Kind::Ours, Kind::Peer),
    ];
    at_once(&sides, |&(first, second, by)| {
        let world = World::new(Wire::Encrypted);
        let a = world.agent(first, "a").keyring(&[KEY]).start();
        let b = world.agent(second, "b").keyring(&[KEY]).joining(&a).start();
        // Without a file: the keys are only in its memory.
        let c = world.agent(second, "c").joining(&b).start();
        for name in ["a", "b", "c"] {
            world.all_see(&[&a, &b, &c], name, "alive");
        }

        keys(&a, by, &["-list"], &listed(&[(KEY, 3)]));
        keys(&a, by, &["-install", KEY_2], INSTALLED);
        keys(&a, by, &["-list"], &listed(&[(KEY, 3), (KEY_2, 3)]));
        holds(&world, &["a", "b"], &[KEY, KEY_2]);
        keys(&a, by, &["-use", KEY_2], USED);
        holds(&world, &["a", "b"], &[KEY_2, KEY]);
        // The primary key stays.
        let refusal = a.told_by(by, &["keys", "-remove", KEY_2]);
        assert_eq!(refusal.code, Some(1));
        for name in ["a", "b", "c"] {
            let line = format!("failed:  {name}  Removing the primary key is not allowed\n");
            assert!(refusal.stdout.contains(&line), "{refusal:?}");
        }
        assert!(refusal.stdout.ends_with("\nError removing key: 3/3 nodes reported failure\n"));
        keys(&a, by, &["-remove", KEY], REMOVED);
        holds(&world, &["a", "b"], &[KEY_2]);
        keys(&b, by, &["-list"], &listed(&[(KEY_2, 3)]));

        // Who has only the new key gets in; who has only the old one does not.
        let new = world.agent(first, "new").keyring(&[KEY_2]).joining(&b).start();
        world.all_see(&[&a, &b, &c, &new], "new", "alive");
        let old = world.agent(first, "old").keyring(&[KEY]).joining(&b).run();
        assert_eq!(old.code, Some(1));
        assert!(!a.members().contains_key("old"), "{:?}", a.members());
        b.does(&["event", "-coalesce=false", "secret"]);
        for agent in [&a, &b, &c, &new] {
            agent.terminal.shows("agent: Received event: user-event: secret");
        }
    });
}

#[test]
fn a_keyring_file_of_one_side_starts_the_other() {
    if !has_peer("a_keyring_file_of_one_side_starts_the_other") {
        return;
    }
    at_once(&BOTH_WAYS, |&(writes, reads)| {
        let world = World::new(Wire::Encrypted);
        let a = world.agent(Kind::Peer, "a").start();
        let mut b = world.agent(writes, "b").keyring(&[KEY]).joining(&a).start();
        world.all_see(&[&a, &b], "b", "alive");
        b.sees("a", "alive");
        let wait = |agent: &Agent, words: &[&str], want: &str| keys(agent, Kind::Peer, words, want);
        wait(&b, &["-install", KEY_2], INSTALLED);
        wait(&b, &["-use", KEY_2], USED);
        assert_eq!(b.interrupt(), Some(0));
        a.sees("b", "left");
        holds(&world, &["b"], &[KEY_2, KEY]);

        let file = world.path("b.keyring");
        let again = world.agent(reads, "b").at(b.ip).keyring_file(file).joining(&a).start();
        again.terminal.shows("[INFO] agent: Restored keyring with 2 keys from");
        world.all_see(&[&a, &again], "b", "alive");
        again.sees("a", "alive");
    });
}

#[test]
fn without_encryption_key_commands_fail_alike() {
    if !has_peer("without_encryption_key_commands_fail_alike") {
        return;
    }
    let world = World::new(Wire::Plain);
    let a = world.agent(Kind::Ours, "a").start();
    let b = world.agent(Kind::Peer, "b").joining(&a).start();
    a.sees("b", "alive");
    b.sees("a", "alive");
    for words in [["-install", KEY], ["-use", KEY], ["-remove", KEY], ["-list", ""]] {
        let word = if words[1].is_empty() { &words[..1] } else { &words[..] };
        let command = [&["keys"], word].concat();
        let mut first = None;
        for agent in [&a, &b] {
            for kind in [Kind::Ours, Kind::Peer] {
                let said = wait_for("an answer of both", || {
                    let said = agent.told_by(kind, &command);
                    if said.stdout.contains("2/2 nodes") { Ok(said) } else { Err(said) }
                });
                assert_eq!(said.code, Some(1));
                let mut lines: Vec<_> = said.stdout.lines().map(str::to_owned).collect();
                lines.sort_unstable();
                assert_eq!(*first.get_or_insert_with(|| lines.clone()), lines);
            }
        }
    }
}
