//! A headless Chromium and one page in it, driven through the DevTools protocol.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

/// Where Chromium is; `None` if it is not installed and not required.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file());
    let required = std::env::var_os("UWASA_REQUIRE_BROWSER").is_some_and(|it| it == "1");
    assert!(found.is_some() || !required, "UWASA_REQUIRE_BROWSER=1, but no chromium is on PATH");
    if found.is_none() {
        eprintln!("skipped: no chromium on PATH; UWASA_REQUIRE_BROWSER=1 makes this a failure");
    }
    found
}

/// A browser with one page. It ends with the value.
pub(crate) struct Browser {
    process: Child,
    profile: PathBuf,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: String,
    next: u64,
    /// Errors that the page has told of.
    pub complaints: Vec<String>,
}

impl Browser {
    /// Starts `program` with a profile of its own, named after the test.
    pub(crate) fn start(program: &Path, name: &str) -> Self {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("browser-{name}-{}", std::process::id()));
        let mut process = Command::new(program)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--hide-scrollbars", "--force-device-scale-factor=1"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .args(["--remote-debugging-port=0", "--window-size=1200,1000"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chromium starts");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            let read = lines.read_line(&mut line).expect("chromium speaks");
            assert!(read > 0, "chromium ended before it listened");
            if let Some(address) = line.trim().strip_prefix("DevTools listening on ") {
                break address.to_owned();
            }
        };
        // Whoever stops reading the pipe would stop the browser.
        std::thread::spawn(move || lines.lines().map_while(Result::ok).for_each(drop));
        let (socket, _) = tungstenite::connect(&address).expect("DevTools answer");
        let session = String::new();
        let mut browser =
            Self { process, profile, socket, session, next: 0, complaints: Vec::new() };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Sends one command and waits for its answer; what the page tells in the meantime is kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut command = json!({ "id": self.next, "method": method, "params": params });
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(command.to_string())).expect("the browser listens");
        loop {
            let message = self.socket.read().expect("the browser answers");
            let Message::Text(text) = message else { continue };
            let value: Value = serde_json::from_str(&text).expect("JSON");
            if value["id"] == json!(self.next) {
                assert!(value["error"].is_null(), "{method}: {}", value["error"]);
                return value["result"].clone();
            }
            self.note(&value);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled"
                if params["type"] == "error" || params["type"] == "warning" =>
            {
                Some(params["args"].to_string())
            }
            "Log.entryAdded" if params["entry"]["level"] == "error" => {
                Some(params["entry"].to_string())
            }
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().unwrap_or_default();
                let own = url.starts_with("file:")
                    || url.starts_with("blob:")
                    || url.starts_with("data:");
                (!own).then(|| format!("the page fetches {url}"))
            }
            _ => None,
        };
        self.complaints.extend(complaint);
    }

    /// Opens a file and waits until its scripts are done.
    pub(crate) fn open(&mut self, page: &Path) {
        self.call("Page.navigate", json!({ "url": format!("file://{}", page.display()) }));
        let ready = "new Promise((done) => { const look = () => \
             document.documentElement?.dataset.see === 'ready' || document.getElementById('see-state')?.textContent \
             ? done(document.getElementById('see-state').textContent) : setTimeout(look, 20); look(); })";
        assert_eq!(self.eval(ready), json!(""), "the page says why it shows nothing");
    }

    /// The value of an expression in the page; promises are waited for.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let result = self.call("Runtime.evaluate", params);
        let failure = &result["exceptionDetails"];
        assert!(failure.is_null(), "{expression}: {failure}");
        result["result"]["value"].clone()
    }

    /// Where the middle of an element is, after scrolling it into view.
    pub(crate) fn place(&mut self, id: &str) -> (f64, f64, f64, f64) {
        let script = format!(
            "(() => {{ const it = document.getElementById('{id}'); it.scrollIntoView({{ block: 'start' }}); \
             const box = it.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; }})()"
        );
        let numbers: Vec<f64> = serde_json::from_value(self.eval(&script)).expect("a box");
        (numbers[0], numbers[1], numbers[2], numbers[3])
    }

    /// A movement or a click of the mouse.
    pub(crate) fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let params = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", params);
    }

    /// Presses the mouse on the middle of an element.
    pub(crate) fn click(&mut self, id: &str) {
        let (left, top, width, height) = self.place(id);
        let middle = (left + width / 2.0, top + height / 2.0);
        self.mouse("mousePressed", middle);
        self.mouse("mouseReleased", middle);
    }

    /// Presses a key that has a name, on whatever has the focus.
    pub(crate) fn key(&mut self, name: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let params =
                json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// How many different colours a canvas shows, and a number for its whole picture.
    pub(crate) fn picture(&mut self, id: &str) -> (u64, u64) {
        let script = format!(
            "(() => {{ const it = document.getElementById('{id}'); \
             const data = new Uint32Array(it.getContext('2d').getImageData(0, 0, it.width, it.height).data.buffer); \
             let sum = 0; const colours = new Set(); \
             for (const pixel of data) {{ sum = (Math.imul(sum, 31) + pixel) >>> 0; colours.add(pixel); }} \
             return [colours.size, sum]; }})()"
        );
        serde_json::from_value(self.eval(&script)).expect("two numbers")
    }

    /// Keeps a picture of the whole page in the folder `UWASA_SCREENSHOTS`, if that is set.
    pub(crate) fn screenshot(&mut self, name: &str, dark: bool) {
        use base64::Engine as _;
        let Some(folder) = std::env::var_os("UWASA_SCREENSHOTS") else { return };
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))");
        for part in ["heat-part", "why", "spread-part", "node-part"] {
            let script = format!(
                "(() => {{ const box = document.getElementById('{part}').getBoundingClientRect(); \
                 return [box.left + scrollX, box.top + scrollY, box.width, box.height]; }})()"
            );
            let box_: Vec<f64> = serde_json::from_value(self.eval(&script)).expect("a box");
            let clip = json!({ "x": box_[0], "y": box_[1], "width": box_[2], "height": box_[3], "scale": 1 });
            let params = json!({ "captureBeyondViewport": true, "clip": clip });
            let shot = self.call("Page.captureScreenshot", params);
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(shot["data"].as_str().expect("a picture"))
                .expect("base64");
            let file = Path::new(&folder).join(format!("{name}-{part}-{scheme}.png"));
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(file, bytes).expect("a file");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
        let _kept = std::fs::remove_dir_all(&self.profile);
    }
}
