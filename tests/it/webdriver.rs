//! A minimal `WebDriver` client: JSON over HTTP to chromedriver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A chromium process that ends with the test.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    /// Temporary folder of its profile.
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser, for tests that are ignored because they need one.
    pub(crate) fn start() -> Self {
        Self::open().unwrap_or_else(|problem| {
            panic!("no browser (Debian: apt-get install chromium chromium-driver): {problem}")
        })
    }

    fn open() -> Result<Self, String> {
        let home = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut driver = Command::new("chromedriver");
        driver
            .args(["--port=0"])
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut driver = driver.spawn().map_err(|e| format!("chromedriver: {e}"))?;
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let started = |line: String| {
            line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok()
        };
        let port = lines.map_while(Result::ok).find_map(started);
        let mut browser = Self {
            driver,
            port: port.ok_or("chromedriver did not start")?,
            session: String::new(),
            _home: home,
        };
        // Chromium's sandbox does not start as root, as in a container.
        let mut args = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
        ];
        // No requests of its own.
        args.extend([
            "--no-first-run",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ]);
        let options = json!({"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}});
        let answer = browser.request(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": options}}),
        )?;
        answer["sessionId"]
            .as_str()
            .ok_or_else(|| answer.to_string())?
            .clone_into(&mut browser.session);
        Ok(browser)
    }

    fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).map_err(|e| e.to_string())?;
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).map_err(|e| e.to_string())?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().map_err(|_| line.clone())?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut bytes = vec![0; length];
        answer.read_exact(&mut bytes).map_err(|e| e.to_string())?;
        let value =
            serde_json::from_slice::<Value>(&bytes).map_err(|e| e.to_string())?["value"].take();
        if value.get("error").is_some() { Err(value.to_string()) } else { Ok(value) }
    }

    /// Sends a request of the session.
    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        self.request(method, &format!("/session/{}/{path}", self.session), body).unwrap()
    }

    /// Opens a page.
    pub(crate) fn visit(&self, url: &str) {
        self.send("POST", "url", &json!({"url": url}));
    }

    /// Runs a script in the page and returns its result.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.send("POST", "execute/sync", &json!({"script": script, "args": []}))
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    fn devtools(&self, command: &str, params: &Value) {
        self.send("POST", "goog/cdp/execute", &json!({"cmd": command, "params": params}));
    }

    /// Sets the width of the screen in CSS pixels, and the color scheme: `light` or `dark`.
    pub(crate) fn screen(&self, width: u32, scheme: &str) {
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false}),
        );
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// Returns the console messages and the requested URLs since the last call.
    pub(crate) fn log(&self) -> (Vec<String>, Vec<String>) {
        let read = |kind: &str| {
            self.send("POST", "se/log", &json!({"type": kind})).as_array().unwrap().clone()
        };
        let messages = read("browser").iter().map(|entry| entry["message"].to_string()).collect();
        let message = |entry: &Value| {
            serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap()["message"]
                .take()
        };
        let requests = read("performance")
            .iter()
            .map(message)
            .filter(|message| message["method"] == "Network.requestWillBeSent")
            .collect::<Vec<_>>();
        (
            messages,
            requests
                .iter()
                .map(|message| message["params"]["request"]["url"].as_str().unwrap().to_owned())
                .collect(),
        )
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A driver that no longer responds is killed, too.
        let _ = self.request("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
