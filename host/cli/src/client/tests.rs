//! What a connection that fails means, and how paths are written.

use super::*;
use std::os::unix::net::{UnixListener, UnixStream};

fn means_no_daemon(cause: io::Error) -> bool {
    let path = Path::new("control.sock");
    matches!(unreachable(path, cause), Error::NoDaemon(at) if at == path)
}

/// A daemon that is killed leaves connections that it has not accepted: they are reset.
#[test]
fn a_daemon_that_dies_before_it_accepts_is_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let waits = UnixStream::connect(&path).unwrap();
    drop(listener);
    let reset = waits.take_error().unwrap().expect("the connection is reset");
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    assert!(means_no_daemon(reset));
    assert!(means_no_daemon(UnixStream::connect(&path).unwrap_err()), "nobody listens");
    assert!(means_no_daemon(UnixStream::connect(dir.path().join("none")).unwrap_err()), "there is no socket");
}

#[test]
fn a_daemon_that_may_not_be_reached_is_there() {
    let error = unreachable(Path::new("control.sock"), io::ErrorKind::PermissionDenied.into());
    assert!(matches!(error, Error::Reach { .. }));
    assert!(error.hint().is_some_and(|hint| hint.contains("SANDHOG_RUNTIME_DIR")));
}

#[test]
fn what_is_no_letter_of_a_path_is_encoded() {
    assert_eq!(path(&["v1", "jobs", "a/b é"]), "/v1/jobs/a%2Fb%20%C3%A9");
    assert_eq!(query("/v1/logs", &[]), "/v1/logs");
    assert_eq!(query("/v1/logs", &[("select", "a&b"), ("lines", "10")]), "/v1/logs?select=a%26b&lines=10");
}
