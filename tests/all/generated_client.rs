//! A client that others generate: of the document that a daemon answers with, in Python, as `docs/http-api.md` shows it.

use sandhog_harness::{Daemon, Folder, Need, guest, missing};
use sandhog_protocol::control::Phase;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `scripts/client-generator.sh` puts it. None: it is not there, in the versions that are pinned.
fn generator() -> Option<PathBuf> {
    let target = guest("hello").ancestors().nth(2).unwrap().to_path_buf();
    let pinned = fs::read(repository("scripts/client-generator.txt")).unwrap();
    let folder = target.join("tools/client-generator");
    let is_there = fs::read(folder.join("fetched.txt")).is_ok_and(|fetched| fetched == pinned);
    if !is_there {
        missing(Need::ClientGenerator, "the generator of clients: scripts/client-generator.sh target");
    }
    is_there.then_some(folder)
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The program in the chapter, with the daemon's own socket.
fn chapter(socket: &Path) -> String {
    let chapter = fs::read_to_string(repository("docs/http-api.md")).unwrap();
    let (_, program) = chapter.split_once("\n```python\n").unwrap();
    let program = program.split_once("```\n").unwrap().0;
    let shown = "/run/sandhog/control.sock";
    assert_eq!(program.matches(shown).count(), 1, "{program}");
    program.replace(shown, socket.to_str().unwrap())
}

/// Python with the generator, and with a client in this folder, where there is one.
struct Python {
    generator: PathBuf,
    folder: Folder,
}

impl Python {
    /// What it prints.
    fn run(&self, words: &[&str]) -> String {
        let path = std::env::join_paths([self.generator.as_path(), self.folder.path()]).unwrap();
        let mut python = Command::new("python3");
        python.args(words).current_dir(self.folder.path()).env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1");
        let output = python.output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{words:?}: {out}\n{err}");
        out
    }

    /// Makes a client of this document.
    fn generate(&self, document: &str) {
        self.folder.file("openapi.json", document);
        // Nobody reads it, so nobody brings it into shape.
        self.folder.file("config.yml", "post_hooks: []\n");
        let words = "-m openapi_python_client generate --path openapi.json --meta none --config config.yml --output-path sandhog_client";
        self.run(&words.split(' ').collect::<Vec<_>>());
    }
}

/// Holds the types of answers to what is expected of them, and prints what they say.
const TYPED: &str = r#"
import httpx, json, sys
from sandhog_client import Client
from sandhog_client.api.default import daemon, instances, job, scale, stop
from sandhog_client.models import Daemon, ErrorBody, Instance, Job, Phase, ScaleRequest, VerbRequest, VerbResult
from sandhog_client.models import Completed, Stopped, StopReason

client = Client(base_url="http://sandhog", httpx_args={"transport": httpx.HTTPTransport(uds=sys.argv[1])})
about = daemon.sync(client=client)
assert isinstance(about, Daemon) and isinstance(about.pid, int), about
all = instances.sync(client=client, select=["web"])
assert [type(one) for one in all] == [Instance], all
assert all[0].phase is Phase.RUNNING and all[0].last is None, all
more = scale.sync(client=client, body=ScaleRequest(job="web", instances=2, wait=True))
assert isinstance(more, VerbResult) and len(instances.sync(client=client)) == 2, more
ended = stop.sync(client=client, body=VerbRequest(select=["web"], wait=True))
assert isinstance(ended, VerbResult) and {one.phase for one in ended.instances} == {Phase.STOPPED}, ended
web = job.sync("web", client=client)
assert isinstance(web, Job) and web.spec.name == "web" and web.spec.instances == 2, web
assert isinstance(web.ended[0].verdict, Stopped) and web.ended[0].verdict.reason is StopReason.OPERATOR, web
refused = stop.sync_detailed(client=client, body=VerbRequest(select=["wbe"]))
assert refused.status_code == 404 and isinstance(refused.parsed, ErrorBody), refused
print(json.dumps({"pid": about.pid, "attempts": sorted(one.attempt for one in web.ended)}))
"#;

#[test]
fn a_client_that_is_generated_of_the_document_speaks_to_the_daemon_in_its_types() {
    let Some(generator) = generator() else { return };
    let python = Python { generator, folder: Folder::new() };
    let daemon = Daemon::start();
    python.generate(&daemon.get("/v1/openapi.json").expect(200));
    daemon.start_job("web", "sleep_forever", &["--ready", "10ms"]);
    let web = daemon.until_phase("web", Phase::Running);

    python.folder.file("chapter.py", chapter(&daemon.socket()));
    let printed = python.run(&["chapter.py"]);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[0], format!("web/0 running {}", web.pid.unwrap()), "{printed}");
    assert_eq!(lines[1], "no job and no group is called \"wbe\" (did you mean web?)", "{printed}");
    let events = daemon.events();
    let told: Vec<_> = events.iter().map(|event| format!("{} {} {}", event.number, event.kind, event.text)).collect();
    assert_eq!(lines[2..], told, "{printed}");

    python.folder.file("typed.py", TYPED);
    let said: Value = serde_json::from_str(&python.run(&["typed.py", daemon.socket().to_str().unwrap()])).unwrap();
    assert_eq!(said["pid"], daemon.pid());
    let ended = daemon.events().into_iter().filter(|event| event.verdict.is_some());
    let mut ended: Vec<_> = ended.map(|event| event.attempt.unwrap()).collect();
    ended.sort();
    assert_eq!(said["attempts"], Value::from(ended));
}
