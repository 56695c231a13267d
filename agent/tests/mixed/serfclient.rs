//! PyPI's `serfclient` against our agent.

use std::process::Command;

use crate::world::{Kind, Said, Wire, World, may_be_missing, run, skip};

/// The newest release; the script was written against it.
const PACKAGE: &str = "serfclient==1.2.0";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/serfclient_check.py");

fn command(program: &str, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command
}

/// A Python of its own that has the package.
fn python(world: &World) -> Result<String, Said> {
    let folder = world.path("venv");
    let folder = folder.to_str().expect("a text");
    let python = format!("{folder}/bin/python");
    let install = ["-m", "pip", "install", "-q", "--retries=1", "--timeout=15", PACKAGE];
    for (program, words) in [("python3", &["-m", "venv", folder][..]), (&python, &install)] {
        if Command::new(program).arg("--version").output().is_err() {
            let stderr = format!("there is no {program}");
            return Err(Said { stdout: String::new(), stderr, code: None });
        }
        let said = run(world.folder(), command(program, words));
        if said.code != Some(0) {
            return Err(said);
        }
    }
    Ok(python)
}

#[test]
fn serfclient_of_python_works_with_our_agent() {
    let world = World::new(Wire::Plain);
    let python = match python(&world) {
        Ok(python) => python,
        Err(said) => {
            assert!(may_be_missing(), "UWASA_REQUIRE_PEER=1, but no {PACKAGE}: {said:?}");
            return skip("serfclient_of_python_works_with_our_agent", &format!("{said:?}"));
        }
    };
    let config = world.write("auth.json", r#"{"rpc_auth": "sesam"}"#);
    let open = world.agent(Kind::Ours, "open").tag("role=web").tag("dc=east").recording().start();
    let shut = world.agent(Kind::Ours, "shut").with("-config-file").with(config).start();
    let mut failed = world.agent(Kind::Ours, "failed").tag("role=db").joining(&open).start();
    open.sees("failed", "alive");
    failed.halt();
    open.sees("failed", "failed");

    let [open_ip, shut_ip, empty] =
        [open.ip.to_string(), shut.ip.to_string(), world.empty_ip().to_string()];
    let said = run(world.folder(), command(&python, &[SCRIPT, &open_ip, &shut_ip, &empty]));
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "all well\n"), "{said:?}");
    let heard = open.hears("from python", 1);
    assert_eq!(heard[0].input, "päyload\n".as_bytes());
    open.sees("failed", "left");
    open.sees("shut", "alive");
}
