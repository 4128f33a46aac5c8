//! Headless Chromium, driven through chromedriver.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use futures::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{artifacts, wait};

/// A browser with a window and an empty folder for downloads.
pub struct Browser {
    client: Client,
    downloads: PathBuf,
    /// chromedriver's port.
    driver: u16,
}

const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,1000",
    "--force-color-profile=srgb",
];

impl Browser {
    /// Runs `visit` in a new browser, which is closed afterwards whatever happens.
    pub async fn visit(visit: impl AsyncFnOnce(&Browser)) {
        Self::visit_with(&[], visit).await;
    }

    /// [`Self::visit`] in a Chromium with these flags too. Fails if the page broke its own policy or an exception of
    /// its was caught by nobody.
    pub async fn visit_with(flags: &[String], visit: impl AsyncFnOnce(&Browser)) {
        let driver = Driver::start();
        let folder = tempfile::Builder::new().prefix("flacship-browser-").tempdir().expect("make a folder");
        let browser = Self::open(&driver, &folder, flags).await;
        let outcome = AssertUnwindSafe(visit(&browser)).catch_unwind().await;
        if outcome.is_err() {
            browser.screenshot("page-failure.png").await;
        }
        let complaints = browser.complaints().await;
        println!("the console: {complaints:?}");
        browser.client.close().await.expect("close the browser");
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    async fn open(driver: &Driver, folder: &TempDir, flags: &[String]) -> Self {
        let downloads = folder.path().join("downloads");
        fs::create_dir(&downloads).expect("make the folder for downloads");
        let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
        let mut args: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        args.push(profile);
        args.extend_from_slice(flags);
        let capabilities = json!({
            "goog:chromeOptions": {
                "args": args,
                "prefs": { "download.default_directory": downloads, "download.prompt_for_download": false },
            },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("written as an object") };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{}", driver.port))
            .await
            .expect("chromedriver starts Chromium");
        Self { client, downloads, driver: driver.port }
    }

    /// The WebDriver client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What the console has as errors, besides answers that were no success and connections that were cut.
    async fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let grave = |entry: &&Value| entry["level"] == "SEVERE" && entry["source"] != "network";
        // A cut stream; and on a page that came without TLS, a header that only TLS gives a meaning, and any download.
        let words = [
            "WebSocket connection to",
            "Cross-Origin-Opener-Policy header has been ignored",
            "was loaded over an insecure connection",
            // Asked for by the test of it.
            "has been blocked by CORS policy",
        ];
        let expected = |text: &str| words.iter().any(|it| text.contains(it));
        let texts = entries.iter().filter(grave).filter_map(|entry| entry["message"].as_str());
        texts.filter(|text| !expected(text)).map(str::to_owned).collect()
    }

    /// Chromium's own commands: how wide a screen is, which colours it likes.
    pub async fn devtools(&self, command: &str, parameters: Value) {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await;
    }

    /// A command of chromedriver's own, which the client does not know; null if it failed.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let session = self.client.session_id().await.ok().flatten().unwrap_or_default();
        let url = format!("http://127.0.0.1:{}/session/{session}/{path}", self.driver);
        let sent = reqwest::Client::new().post(url).body(body.to_string()).send().await;
        let Ok(answer) = sent else { return Value::Null };
        let text = answer.text().await.unwrap_or_default();
        serde_json::from_str(&text).map_or(Value::Null, |mut answer: Value| answer["value"].take())
    }

    /// Waits until the script gives something other than null and false, and gives it.
    pub async fn until(&self, script: &str, deadline: Duration) -> Value {
        wait::until_async(script, deadline, async || {
            let value = self.run(script).await;
            if value.is_null() || value == false { Err(value) } else { Ok(value) }
        })
        .await
    }

    /// Chooses several files at once.
    pub async fn choose_all(&self, css: &str, files: &[&Path]) {
        let paths: Vec<&str> = files.iter().map(|file| file.to_str().expect("a path in UTF-8")).collect();
        let input = self.client.find(Locator::Css(css)).await.expect("the file input");
        input.send_keys(&paths.join("\n")).await.expect("choose files");
    }

    /// The only download, once it is whole.
    pub async fn only_download(&self, ending: &str, deadline: Duration) -> PathBuf {
        wait::until_async("a download", deadline, async || {
            let names: Vec<PathBuf> =
                fs::read_dir(&self.downloads).into_iter().flatten().flatten().map(|e| e.path()).collect();
            match names.as_slice() {
                [path] if path.extension().is_some_and(|it| it == ending) => Ok(path.clone()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
    }

    /// Chooses a file in an `<input type=file>`, which a page may hide behind its label.
    pub async fn choose(&self, css: &str, file: &Path) {
        let input = self.client.find(Locator::Css(css)).await.expect("the file input");
        input.send_keys(file.to_str().expect("a path in UTF-8")).await.expect("choose a file");
    }

    /// Waits until the element is shown, and gives its text.
    pub async fn shown(&self, css: &str, deadline: Duration) -> String {
        wait::until_async(&format!("{css} is shown"), deadline, async || {
            let element = self.client.find(Locator::Css(css)).await.map_err(|error| error.to_string())?;
            if element.is_displayed().await.map_err(|error| error.to_string())? {
                element.text().await.map_err(|error| error.to_string())
            } else {
                Err("it is hidden".to_owned())
            }
        })
        .await
    }

    /// Whether the element is on the page and not hidden.
    pub async fn is_shown(&self, css: &str) -> bool {
        let element = self.client.find(Locator::Css(css)).await.expect("the element");
        element.is_displayed().await.expect("whether it is shown")
    }

    /// Clicks.
    pub async fn click(&self, css: &str) {
        self.client.find(Locator::Css(css)).await.expect("the element").click().await.expect("click it");
    }

    /// Presses and releases a key, wherever the focus is.
    pub async fn press(&self, key: Key) {
        let value = char::from(key);
        let keys = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.client.perform_actions(keys).await.expect("press a key");
    }

    /// Types into a field.
    pub async fn fill(&self, css: &str, text: &str) {
        self.client.find(Locator::Css(css)).await.expect("the field").send_keys(text).await.expect("type");
    }

    /// Runs a script and gives what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.expect("run a script in the page")
    }

    /// Waits for a download and gives its path.
    pub async fn downloaded(&self, name: &str, deadline: Duration) -> PathBuf {
        let path = self.downloads.join(name);
        // Chromium writes under another name and renames at the end.
        wait::until_async(&format!("{name} is downloaded"), deadline, async || {
            let names: Vec<_> =
                fs::read_dir(&self.downloads).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
            if path.exists() { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
        path
    }

    /// Keeps what the window shows as a file among the artifacts.
    pub async fn screenshot(&self, name: &str) {
        match self.client.screenshot().await {
            Ok(png) => {
                let file = artifacts::file(name);
                fs::write(&file, png).expect("write the screenshot");
                println!("{}", file.display());
            }
            Err(error) => println!("no screenshot {name}: {error}"),
        }
    }
}

/// A chromedriver on a port that it chose.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("run chromedriver: install it (Debian's packages `chromium` and `chromium-driver`)");
        let stdout = process.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let port = lines.find_map(|line| port_in(&line));
        // What it says later is read to nowhere, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let Some(port) = port else {
            let _ = process.kill();
            panic!("chromedriver did not tell its port");
        };
        Self { process, port }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port in "ChromeDriver was started successfully on port 40123."
fn port_in(line: &str) -> Option<u16> {
    line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::port_in;

    #[test]
    fn the_port_is_read_from_its_greeting() {
        assert_eq!(port_in("ChromeDriver was started successfully on port 40123."), Some(40_123));
        assert_eq!(port_in("Starting ChromeDriver 156.0.8078.73 on port 0"), None);
    }
}
