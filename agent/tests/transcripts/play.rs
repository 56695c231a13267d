//! Plays one case: set-up, steps, comparison.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;

use crate::acts::{Act, At, Case, Difference, Node};
use crate::compare::{Names, Shape, compare};
use crate::data::{RecordedCase, Step};
use crate::stage::{Finished, PATIENCE, Program, is_ours};
use crate::table::{DIFFERENCES, LOOSE};

type Check<T = ()> = Result<T, String>;

/// The exit status of a recorded agent that the recorder ended when it had seen enough.
pub(crate) const KILLED: i32 = -9;

struct Agent {
    program: Program,
    argv: Vec<String>,
}

struct Stage<'a> {
    case: &'a Case,
    files: &'a BTreeMap<String, Vec<String>>,
    temporary: tempfile::TempDir,
    nodes: BTreeMap<&'static str, Agent>,
    kept: Vec<(&'static str, String)>,
    held: Vec<TcpListener>,
    sinks: Vec<(&'static str, Arc<Mutex<Vec<u8>>>)>,
}

/// Plays the steps with these numbers.
pub(crate) fn play(
    case: &Case,
    recorded: &RecordedCase,
    files: &BTreeMap<String, Vec<String>>,
    steps: &[usize],
) -> Check {
    let temporary = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut stage = Stage {
        case,
        files,
        temporary,
        nodes: BTreeMap::new(),
        kept: Vec::new(),
        held: Vec::new(),
        sinks: Vec::new(),
    };
    std::fs::create_dir(stage.dir()).map_err(|e| e.to_string())?;
    for (name, text) in files.iter().filter(|f| is_input(f.0)) {
        stage.write(name, &text[0])?;
    }
    if let Some(frame) = case.frame {
        let argv = recorded.steps[frame].argv.clone();
        stage.launch("frame", argv)?;
    }
    stage.perform(case.prepare, None).map_err(|e| format!("set-up: {e}"))?;
    for &number in steps.iter().filter(|s| Some(**s) != case.frame).chain(&case.frame) {
        let step = &recorded.steps[number];
        stage
            .step(number, step)
            .map_err(|e| format!("step {number}, serf {}: {e}", step.argv.join(" ")))?;
    }
    stage.check_captures(case.apart)
}

/// Whether a recorded file was given to the program; all others are captures of what it did.
pub(crate) fn is_input(label: &str) -> bool {
    Path::new(label).extension().is_some_and(|e| e == "json") && !label.contains(' ')
}

impl Stage<'_> {
    /// The recorder's directory had this name too, and one script prints it.
    fn dir(&self) -> PathBuf {
        self.temporary.path().join("run")
    }

    fn names(&self, free: &'static [&'static str]) -> Names {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Names { dir: self.dir().display().to_string(), host: host.trim().to_owned(), free }
    }

    fn expand(&self, word: &str) -> String {
        word.replace("{DIR}", &self.dir().display().to_string())
            .replace("{y*600}", &"y".repeat(600))
    }

    fn write(&self, name: &str, text: &str) -> Check {
        std::fs::write(self.dir().join(name), text).map_err(|e| format!("{name}: {e}"))
    }

    fn step(&mut self, number: usize, step: &Step) -> Check {
        let at = self.case.around.iter().find(|a| a.step == number).unwrap_or(&At::PLAIN);
        let at = if at.step == number { at } else { &At::PLAIN };
        self.perform(at.before, None)?;
        let mut env = step.env.clone();
        env.extend(at.env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        let argv: Vec<String> = step.argv.iter().map(|a| self.expand(a)).collect();
        let mut program = match self.case.frame == Some(number) {
            true => self.nodes.remove("frame").ok_or("no frame")?.program,
            false => Program::start(&self.dir(), &argv, &env),
        };
        self.perform(at.during, Some(&mut program))?;
        let Finished { stdout, stderr, exit } = self.expected(number, step);
        let shape = if matches!(step.argv.first().map(|a| &**a), Some("agent" | "monitor")) {
            Shape::Log
        } else {
            Shape::Command
        };
        let names = self.names(at.free);
        if exit == KILLED {
            program.wait_stdout(PATIENCE, |text| compare(shape, &stdout, text, &names).is_ok());
            sleep(Duration::from_millis(300));
            program.signal(Signal::SIGKILL);
        }
        let Finished { stdout: out, stderr: err, exit: status } =
            program.finish(PATIENCE).ok_or("does not end")?;
        compare(shape, &stdout, &out, &names).map_err(|e| format!("stdout: {e}"))?;
        let shape = if stderr.contains("{INTERVAL}") { Shape::Metrics } else { Shape::Command };
        compare(shape, &stderr, &err, &names).map_err(|e| format!("stderr: {e}"))?;
        if status != exit {
            return Err(format!("exit status {exit} expected, {status} seen"));
        }
        self.perform(at.after, None)?;
        for (label, sink) in std::mem::take(&mut self.sinks) {
            let text = String::from_utf8_lossy(&sink.lock().unwrap()).into_owned();
            self.kept.push((label, text));
        }
        Ok(())
    }

    /// What the recording says, with the deliberate differences of this project's program applied.
    fn expected(&self, number: usize, step: &Step) -> Finished {
        let mut expected =
            Finished { stdout: step.stdout.clone(), stderr: step.stderr.clone(), exit: step.exit };
        for (from, to) in LOOSE {
            expected.stdout = expected.stdout.replace(from, to);
        }
        for d in self.differences().filter(|d| d.step == number) {
            expected.stdout = expected.stdout.replace(d.from, d.to);
            expected.stderr = expected.stderr.replace(d.from, d.to);
            expected.exit = d.exit.unwrap_or(expected.exit);
        }
        expected
    }

    fn differences(&self) -> impl Iterator<Item = &'static Difference> {
        DIFFERENCES.iter().filter(|d| is_ours() && d.case == self.case.name)
    }

    fn check_captures(&self, apart: bool) -> Check {
        for (label, recorded) in self.files.iter().filter(|f| !is_input(f.0)) {
            let kept: Vec<&str> =
                self.kept.iter().filter(|k| k.0 == label).map(|k| &*k.1).collect();
            if kept.is_empty() {
                if apart {
                    continue;
                }
                return Err(format!("capture {label:?} not taken"));
            }
            let kept: Vec<String> = if recorded.len() == 1 {
                vec![kept.concat()]
            } else {
                kept.iter().map(|k| (*k).to_owned()).collect()
            };
            let shape = self
                .case
                .captures
                .iter()
                .find(|c| label.starts_with(c.0))
                .map_or(Shape::Command, |c| c.1);
            let free = self
                .case
                .around
                .iter()
                .find(|a| a.labels().any(|l| l == label))
                .map_or(&[][..], |a| a.free);
            for (recorded, kept) in recorded.iter().zip(&kept) {
                let mut recorded = self.cut(label, recorded);
                for d in self.differences() {
                    recorded = recorded.replace(d.from, d.to);
                }
                compare(shape, &recorded, kept, &self.names(free))
                    .map_err(|e| format!("{label}: {e}"))?;
            }
        }
        Ok(())
    }

    /// A recorded capture from the line on from which the table wants it.
    fn cut(&self, label: &str, recorded: &str) -> String {
        let acts = self.case.around.iter().flat_map(|a| a.after);
        let mut from = acts.filter_map(|a| match a {
            Act::NodeLog(l, _, from) if *l == label => Some(*from),
            _ => None,
        });
        from_line(recorded, from.next().unwrap_or(""))
    }

    fn perform(&mut self, acts: &[Act], mut step: Option<&mut Program>) -> Check {
        for act in acts {
            self.act(act, step.as_deref_mut())?;
        }
        Ok(())
    }

    fn act(&mut self, act: &Act, step: Option<&mut Program>) -> Check {
        match act {
            Act::Pause(ms) => sleep(Duration::from_millis(*ms)),
            Act::Line(text) => line(step.ok_or("no step")?, text)?,
            Act::Signal(signal) => step.ok_or("no step")?.signal(*signal),
            Act::Write(name, text) => self.write(name, text)?,
            Act::Directory(name) => {
                std::fs::create_dir(self.dir().join(name)).map_err(|e| e.to_string())?
            }
            Act::Serf(argv) => drop(self.succeed(argv)?),
            Act::Until(argv) => self.until(argv, |f| f.exit == 0)?,
            Act::Keep(label, argv) => {
                let out = self.run(argv)?.stdout;
                self.kept.push((label, out));
            }
            Act::KeepHead(label, lines, argv) => {
                let out = self.run(argv)?.stdout;
                self.kept.push((label, out.split_inclusive('\n').take(*lines).collect()));
            }
            Act::KeepFile(label, name) => {
                let text = std::fs::read_to_string(self.dir().join(name))
                    .map_err(|e| format!("{name}: {e}"))?;
                self.kept.push((label, text));
            }
            Act::Private(name) => {
                let mode = std::fs::metadata(self.dir().join(name))
                    .map_err(|e| e.to_string())?
                    .permissions()
                    .mode();
                if mode & 0o777 != 0o600 {
                    return Err(format!("{name} has mode {mode:o}"));
                }
            }
            Act::Hold(address) => {
                self.held.push(TcpListener::bind(address).map_err(|e| format!("{address}: {e}"))?)
            }
            Act::Datagrams(label, address) => self.sinks.push((label, datagrams(address)?)),
            Act::Stream(label, address) => self.sinks.push((label, stream(address)?)),
            Act::NoSyslog => no_syslog()?,
            Act::Syslog(label, args) => self.syslog(label, args)?,
            Act::Start(_)
            | Act::StartAs(_)
            | Act::NodeLine(..)
            | Act::Kill(_)
            | Act::Freeze(_)
            | Act::Exit(..)
            | Act::Poll(_)
            | Act::Members(..)
            | Act::NodeLog(..) => self.on_node(act)?,
        }
        Ok(())
    }

    fn on_node(&mut self, act: &Act) -> Check {
        match act {
            Act::Start(name) => {
                let node =
                    self.case.cluster.iter().find(|n| n.name == *name).ok_or("no such node")?;
                self.start(node)
            }
            Act::StartAs(node) => self.start(node),
            Act::NodeLine(name, text) => {
                line(&mut self.node(name)?.program, text).map_err(|e| format!("{name}: {e}"))
            }
            Act::Kill(name) => {
                self.nodes.remove(name).map(drop).ok_or(format!("{name} does not run"))
            }
            Act::Freeze(name) => {
                self.node(name)?.program.signal(Signal::SIGSTOP);
                Ok(())
            }
            Act::Exit(name, status) => match self.node(name)?.program.wait(PATIENCE) {
                Some(seen) if seen == *status => Ok(()),
                seen => Err(format!("{name}: exit status {status} expected, {seen:?} seen")),
            },
            Act::Poll(name) => poll(&self.node(name)?.argv),
            Act::Members(name, expected) => self.members(name, expected),
            Act::NodeLog(label, name, from) => {
                sleep(Duration::from_millis(200));
                let text = from_line(&self.node(name)?.program.stdout(), from);
                self.kept.push((label, text));
                Ok(())
            }
            _ => unreachable!("handled by `act`"),
        }
    }

    fn node(&mut self, name: &str) -> Check<&mut Agent> {
        self.nodes.get_mut(name).ok_or_else(|| format!("{name} does not run"))
    }

    fn start(&mut self, node: &Node) -> Check {
        let Node { name, host, args } = node;
        let mut argv = vec![
            "agent".to_owned(),
            format!("-node={name}"),
            format!("-bind=127.0.77.{host}"),
            format!("-rpc-addr=127.0.77.{host}:7373"),
        ];
        argv.extend(args.iter().map(|a| self.expand(a)));
        self.launch(name, argv)
    }

    fn launch(&mut self, name: &'static str, argv: Vec<String>) -> Check {
        let program = Program::start(&self.dir(), &argv, &BTreeMap::new());
        self.nodes.insert(name, Agent { program, argv });
        line(&mut self.node(name)?.program, "==> Log data will now stream in")
            .map_err(|e| format!("{name}: {e}"))
    }

    fn run(&self, argv: &[&str]) -> Check<Finished> {
        let argv: Vec<String> = argv.iter().map(|a| self.expand(a)).collect();
        let program = Program::start(&self.dir(), &argv, &BTreeMap::new());
        program.finish(PATIENCE).ok_or_else(|| format!("serf {} does not end", argv.join(" ")))
    }

    fn succeed(&self, argv: &[&str]) -> Check<Finished> {
        let finished = self.run(argv)?;
        if finished.exit == 0 {
            Ok(finished)
        } else {
            Err(format!("serf {}: {}", argv.join(" "), finished.stdout))
        }
    }

    fn until(&self, argv: &[&str], good: impl Fn(&Finished) -> bool) -> Check {
        let deadline = Instant::now() + 2 * PATIENCE;
        loop {
            let finished = self.run(argv)?;
            if good(&finished) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("serf {} still says {}", argv.join(" "), finished.stdout));
            }
            sleep(Duration::from_millis(200));
        }
    }

    fn members(&mut self, name: &str, expected: &[(&str, &str)]) -> Check {
        let rpc = rpc_address(&self.node(name)?.argv);
        self.until(&["members", "-format=json", &format!("-rpc-addr={rpc}")], |finished| {
            let json: serde_json::Value =
                serde_json::from_str(&finished.stdout).unwrap_or_default();
            let text =
                |m: &serde_json::Value, key: &str| m[key].as_str().unwrap_or_default().to_owned();
            let seen = json["members"].as_array().map(|all| {
                all.iter().map(|m| (text(m, "name"), text(m, "status"))).collect::<BTreeMap<_, _>>()
            });
            let expected =
                expected.iter().map(|(n, s)| ((*n).to_owned(), (*s).to_owned())).collect();
            seen == Some(expected)
        })
    }

    fn syslog(&mut self, label: &'static str, args: &[&str]) -> Check {
        let path = Path::new("/var/run/syslog");
        let socket = UnixDatagram::bind(path).map_err(|e| e.to_string())?;
        socket.set_read_timeout(Some(Duration::from_millis(200))).map_err(|e| e.to_string())?;
        self.start_n30(args)?;
        let n30 = self.node("n30")?;
        if args.contains(&"-log-level=warn") {
            sleep(Duration::from_millis(1500));
        } else {
            line(&mut n30.program, "agent: Received event: member-join")?;
        }
        n30.program.signal(Signal::SIGINT);
        n30.program.wait(PATIENCE).ok_or("does not end")?;
        self.nodes.remove("n30");
        let mut text = String::new();
        let mut buffer = [0; 2048];
        while let Ok(read) = socket.recv(&mut buffer) {
            text.push_str(String::from_utf8_lossy(&buffer[..read]).trim_end());
            text.push('\n');
        }
        std::fs::remove_file(path).map_err(|e| e.to_string())?;
        self.kept.push((label, text));
        Ok(())
    }

    fn start_n30(&mut self, args: &[&str]) -> Check {
        let mut argv: Vec<String> =
            ["agent", "-node=n30", "-bind=127.0.77.30", "-rpc-addr=127.0.77.30:7373"]
                .map(str::to_owned)
                .into();
        argv.extend(args.iter().map(|a| self.expand(a)));
        self.launch("n30", argv)
    }
}

fn line(program: &mut Program, text: &str) -> Check {
    if program.wait_stdout(PATIENCE, |out| out.contains(text)) {
        Ok(())
    } else {
        Err(format!("{text:?} does not come; so far:\n{}", program.stdout()))
    }
}

fn from_line(text: &str, marker: &str) -> String {
    text.split_inclusive('\n').skip_while(|l| !l.contains(marker)).collect()
}

fn rpc_address(argv: &[String]) -> String {
    argv.iter()
        .filter_map(|a| a.strip_prefix("-rpc-addr="))
        .next_back()
        .unwrap_or("127.0.0.1:7373")
        .to_owned()
}

fn poll(argv: &[String]) -> Check {
    let address = rpc_address(argv);
    TcpStream::connect(&address).map(drop).map_err(|e| format!("{address}: {e}"))
}

/// Collects until the test lets go of the buffer.
fn datagrams(address: &str) -> Check<Arc<Mutex<Vec<u8>>>> {
    let socket = UdpSocket::bind(address).map_err(|e| e.to_string())?;
    socket.set_read_timeout(Some(Duration::from_millis(100))).map_err(|e| e.to_string())?;
    let sink = Arc::new(Mutex::new(Vec::new()));
    let filled = Arc::clone(&sink);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while Arc::strong_count(&filled) > 1 {
            let read = socket.recv(&mut buffer).unwrap_or(0);
            filled.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    });
    Ok(sink)
}

fn stream(address: &str) -> Check<Arc<Mutex<Vec<u8>>>> {
    let listener = TcpListener::bind(address).map_err(|e| e.to_string())?;
    let sink = Arc::new(Mutex::new(Vec::new()));
    let filled = Arc::clone(&sink);
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            filled.lock().unwrap().extend_from_slice(&buffer[..read]);
        }
    });
    Ok(sink)
}

/// Hides the system's log sockets behind empty mounts that only this thread and its programs see.
fn no_syslog() -> Check {
    let none: Option<&str> = None;
    let fail = |e: nix::Error| format!("mount: {e}");
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(fail)?;
    let run = Path::new("/var/run").canonicalize().map_err(|e| e.to_string())?;
    mount(Some("tmpfs"), &run, Some("tmpfs"), MsFlags::empty(), none).map_err(fail)?;
    if Path::new("/dev/log").exists() {
        std::fs::write(run.join("nothing"), "").map_err(|e| e.to_string())?;
        mount(Some(&run.join("nothing")), "/dev/log", none, MsFlags::MS_BIND, none)
            .map_err(fail)?;
    }
    Ok(())
}
