//! A browser under remote control: the few commands of the W3C WebDriver
//! protocol that the tests need, over HTTP on this machine alone.

// The tests of each crate that drives a browser need some of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// Name under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless browser with one page. It ends when this is dropped.
pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// Address of the session, once there is one.
    session: String,
    folder: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser, or says in a line on stderr why the test is skipped.
    /// Where CHAINRULE_BROWSER_TESTS is 1, a missing browser is a failure.
    pub fn start() -> Option<Browser> {
        let chromium = ["chromium", "chromium-browser", "google-chrome", "chrome"];
        let found = chromium.iter().find_map(|name| program(name)).zip(program("chromedriver"));
        let Some((browser, driver)) = found else {
            let reason = "chromium and chromedriver are not both on the PATH";
            assert!(
                std::env::var("CHAINRULE_BROWSER_TESTS").as_deref() != Ok("1"),
                "CHAINRULE_BROWSER_TESTS is 1, but {reason}"
            );
            // Past the test harness, which hides what passing tests print.
            let _ = writeln!(std::io::stderr(), "SKIPPED, a browser test: {reason}");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let said = BufReader::new(driver.stdout.take().expect("stdout is piped"));
        let port = said
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                line.contains("started successfully")
                    .then(|| line.trim_end_matches('.').rsplit(' ').next()?.parse::<u16>().ok())?
            })
            .expect("chromedriver says its port");
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .into();
        let session = format!("http://127.0.0.1:{port}");
        let mut this = Browser { driver, agent, session, folder };
        let profile = format!("--user-data-dir={}", this.folder.path().join("profile").display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &profile,
        ];
        let made = this.post(
            "/session",
            json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"binary": browser, "args": args},
                "goog:loggingPrefs": {"browser": "ALL"}
            }}}),
        );
        let id = made["sessionId"].as_str().expect("a session id").to_owned();
        this.session = format!("{}/session/{id}", this.session);
        Some(this)
    }

    fn post(&self, command: &str, body: Value) -> Value {
        let address = format!("{}{command}", self.session);
        let answer = self
            .agent
            .post(&address)
            .header("Content-Type", "application/json")
            .send(body.to_string())
            .and_then(|mut answer| answer.body_mut().read_to_string())
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        let mut answer: Value = serde_json::from_str(&answer).expect("the driver speaks JSON");
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{command}: {value}");
        value
    }

    /// Opens a page or a picture.
    pub fn open(&self, text: &str, extension: &str) {
        let file = self.folder.path().join(format!("page.{extension}"));
        std::fs::write(&file, text).expect("the temporary folder can be written");
        self.visit(&format!("file://{}", file.display()));
    }

    /// Opens what lies at an address.
    pub fn visit(&self, address: &str) {
        self.post("/url", json!({"url": address}));
    }

    /// Clicks the element as a reader would: it must be there and in view.
    pub fn click(&self, selector: &str) {
        let found = self.post("/element", json!({"using": "css selector", "value": selector}));
        let id = found[ELEMENT].as_str().expect("an element");
        self.post(&format!("/element/{id}/click"), json!({}));
    }

    /// Presses a key by its WebDriver code.
    pub fn press(&self, key: &str) {
        let keys = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keys", "actions": keys}]}));
    }

    /// Moves the pointer over an element, to a place that is given in shares of its width and height.
    pub fn hover(&self, selector: &str, across: f64, down: f64) {
        let place = self.script(&format!(
            "const e = document.querySelector({selector:?});
             e.scrollIntoView({{block: 'center'}});
             const b = e.getBoundingClientRect();
             return [Math.round(b.left + {across} * b.width), Math.round(b.top + {down} * b.height)]"
        ));
        let moved = json!([{"type": "pointerMove", "x": place[0], "y": place[1], "duration": 0}]);
        let pointer = json!({"type": "pointer", "id": "mouse", "actions": moved});
        self.post("/actions", json!({"actions": [pointer]}));
    }

    /// Gives the page this size, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.post("/goog/cdp/execute", command);
    }

    /// What the page complained of since this was asked last.
    pub fn console(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({"type": "browser"}));
        let log = log.as_array().cloned().unwrap_or_default();
        log.iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// Runs a script in the page and gives what it returns.
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []}))
    }

    /// The text of an element, as it is shown.
    pub fn text(&self, selector: &str) -> String {
        let text = self.script(&format!("return document.querySelector({selector:?}).innerText"));
        text.as_str().unwrap_or_else(|| panic!("{selector} has no text")).to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ending the session ends the browser; then the driver can go.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| Path::is_file(file))
}
