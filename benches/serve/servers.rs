//! The servers that are measured: how each is started, and when it answers.

use super::{cgi, native};
use crate::Outcome;
use crate::peers::{Peers, text};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

/// How long a server may take to answer: the first time it compiles.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `sandhog serve` with two workers.
    Sandhog { guest: &'static str, isolation: &'static str },
    /// `wasmtime serve`, which has a thread for each processor.
    Wasmtime { guest: &'static str },
    /// Node's cluster, with two workers.
    NodeCluster,
    /// Node: a process for each connection, by fork, which gets the socket.
    NodeFork,
    /// `wasmtime run` of a compiled hello for each connection.
    Cgi,
    /// See [`native`].
    Native,
}

impl Kind {
    pub(crate) fn name(self) -> String {
        let wasi = |guest: &str| if guest.ends_with("0_3") { "0.3" } else { "0.2" };
        match self {
            Self::Sandhog { guest, isolation } => {
                format!("sandhog serve, all walls, {isolation}, WASI {}", wasi(guest))
            }
            Self::Wasmtime { guest } => format!("wasmtime serve, WASI {}", wasi(guest)),
            Self::NodeCluster => "Node's cluster".to_owned(),
            Self::NodeFork => "Node, a fork for each connection".to_owned(),
            Self::Cgi => "wasmtime run for each connection, as CGI".to_owned(),
            Self::Native => "hyper alone, native, no sandbox (the limit)".to_owned(),
        }
    }

    /// The name of the process that answers.
    pub(crate) fn worker(self) -> &'static str {
        match self {
            Self::Sandhog { .. } => "sandhog-worker",
            Self::Wasmtime { .. } | Self::Cgi => "wasmtime",
            Self::NodeCluster | Self::NodeFork => "node",
            Self::Native => "side_by_side",
        }
    }
}

/// A server that answers. It ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// None: it is not on this machine.
    pub(crate) fn start(peers: &Peers, kind: Kind) -> Outcome<Option<Self>> {
        let address = free_address()?;
        let Some(command) = command(peers, kind, address)? else { return Ok(None) };
        let mut child = Command::new(&command[0]);
        child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut server = Self { child: child.spawn()?, address };
        let deadline = Instant::now() + PATIENCE;
        while !server.answers() {
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(format!("{} does not serve: {}", kind.name(), command.join(" ")).into());
            }
            std::thread::sleep(LOOK);
        }
        Ok(Some(server))
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.contains("200 OK")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // As anybody would end it, so that it ends its own workers.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A port that nobody has now. Who takes it meanwhile makes a measurement fail, not lie.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn command(peers: &Peers, kind: Kind, address: SocketAddr) -> Outcome<Option<Vec<String>>> {
    let (own, address) = (text(&std::env::current_exe()?), address.to_string());
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let script = |name: &str| text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name));
    Ok(match kind {
        Kind::Sandhog { guest, isolation } => {
            // By process, as many at once as there are clients.
            let workers = if isolation == "process" { super::CLIENTS.to_string() } else { "2".to_owned() };
            let flags =
                ["serve", "--listen", &address, "-i", &workers, "--isolation", isolation, "--access-log", "none"];
            Some([words(&[&text(&peers.sandhog)]), words(&flags), vec![peers.guest(guest)]].concat())
        }
        Kind::Wasmtime { guest } => peers
            .wasmtime
            .as_ref()
            .map(|wasmtime| {
                let component = text(&component(peers, guest)?);
                let flags = ["serve", "-Scli,p3", "-Wcomponent-model-async", "--addr", &address, &component];
                Ok::<_, Box<dyn std::error::Error>>([words(&[&text(wasmtime)]), words(&flags)].concat())
            })
            .transpose()?,
        Kind::NodeCluster | Kind::NodeFork => {
            let name = if matches!(kind, Kind::NodeFork) { "node_fork_server.js" } else { "node_cluster.js" };
            let (host, port) = address.split_once(':').unwrap_or_default();
            peers.node.as_ref().map(|node| words(&[&text(node), &script(name), host, port]))
        }
        Kind::Cgi => {
            let run = peers.wasmtime_run("hello", &[])?;
            run.map(|run| [words(&[&own, cgi::WORD, &address]), run].concat())
        }
        Kind::Native => Some(words(&[&own, native::WORD, &address])),
    })
}

/// A guest as a component, which others want: made as Sandhog makes it.
fn component(peers: &Peers, guest: &str) -> Outcome<PathBuf> {
    let path = peers.file(&format!("{guest}.component.wasm"));
    let module = std::fs::read(peers.guest(guest))?;
    let component = ComponentEncoder::default()
        .module(&module)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()?;
    std::fs::write(&path, component)?;
    Ok(path)
}
