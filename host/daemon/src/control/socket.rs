//! The socket in the file system: who may connect, and how many at once.

use super::api::Api;
use super::handlers;
use super::limits::CONNECTIONS;
use super::routes::Shared;
use axum::http::StatusCode;
use sandhog_http::{Accept, Accepted, Patience, Refused};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0:?} is where the control socket is to be, and it is no socket: remove it, or set SANDHOG_RUNTIME_DIR")]
    InTheWay(PathBuf),
    #[error("failed to remove the control socket {path:?} that another daemon has left behind")]
    Remove {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("failed to listen on the control socket {path:?}")]
    Listen {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The socket, listening. Its file goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // One that stays is stale, and the next daemon removes it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Listens at this path, in a directory that only the person may enter. The caller holds the lock of that directory until
/// the listener is dropped: so a socket that is there already is one that nobody listens to any more.
pub fn bind(path: &Path) -> Result<Listener, Error> {
    remove_stale(path)?;
    let fail = |cause| Error::Listen { path: path.into(), cause };
    let socket = UnixListener::bind(path).map_err(fail)?;
    let listener = Listener { socket, path: path.into() };
    // The directory keeps others out meanwhile.
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(listener)
}

fn remove_stale(path: &Path) -> Result<(), Error> {
    let remove = |cause| Error::Remove { path: path.into(), cause };
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path).map_err(remove),
        Ok(_) => Err(Error::InTheWay(path.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(remove(error)),
    }
}

/// The listener, for a person.
struct Door {
    listener: Listener,
    owner: u32,
}

impl Accept for Door {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<Accepted<UnixStream>> {
        let (stream, _) = self.listener.socket.accept().await?;
        let stranger = stranger(&stream, self.owner);
        Ok(Accepted { stream, stranger })
    }
}

/// As [`super::serve`] says.
pub(super) async fn serve<A: Api>(
    listener: Listener,
    owner: u32,
    answers: A,
    patience: Patience,
    stop: impl Future<Output = ()>,
) {
    let routes = |closing| handlers::routes().with(Shared::new(answers, patience, closing));
    sandhog_http::serve(Door { listener, owner }, CONNECTIONS, patience, routes, stop).await;
}

/// What somebody is told who may not speak to this daemon.
fn stranger(stream: &UnixStream, owner: u32) -> Option<Refused> {
    let uid = stream.peer_cred().ok().map(|peer| peer.uid());
    (!uid.is_some_and(|uid| may_speak(uid, owner))).then(|| {
        Refused::new(StatusCode::FORBIDDEN, format!("this daemon serves the user with the id {owner} and nobody else"))
            .with_hint("start one of your own: sandhog daemon")
    })
}

/// In a user namespace root outside has no id, and is a stranger to a daemon there.
pub(super) const fn may_speak(uid: u32, owner: u32) -> bool {
    uid == owner || uid == 0
}
