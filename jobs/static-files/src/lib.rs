//! Serves the files of one directory, piece by piece. It is granted that directory to read and nothing else, so that a path can't
//! lead out of it, whatever this program thinks of it.
//!
//!     sandhog serve --listen 127.0.0.1:8080 --dir public::/site static-files.wasm

use sandhog::http::{Request, Response};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Where the directory is granted.
const SITE: &str = "/site";

const TYPES: &[(&str, &str)] = &[
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript"),
    ("png", "image/png"),
    ("txt", "text/plain; charset=utf-8"),
];

#[sandhog::http]
fn handle(request: Request) -> io::Result<Response> {
    if !["GET", "HEAD"].contains(&request.method()) {
        return Ok(Response::status(405).with_header("allow", "GET, HEAD"));
    }
    let Some(path) = file_of(request.path()) else { return Ok(Response::status(404)) };
    let (mut file, length) = match open(&path) {
        Err(error) if is_absent(&error) => return Ok(Response::status(404)),
        opened => opened?,
    };
    // The server leaves the body out of an answer to HEAD.
    let answer = Response::stream(move |to| io::copy(&mut file, to).map(drop));
    Ok(answer
        .with_header("content-type", type_of(&path))
        .with_header("content-length", length.to_string()))
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok((file, length.ok_or(io::ErrorKind::NotFound)?))
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    [NotADirectory, NotFound, PermissionDenied].contains(&error.kind())
}

/// The file that a path of an address means; None where it is none that a file could have.
fn file_of(path: &str) -> Option<PathBuf> {
    let path = decoded(path.strip_prefix('/')?)?;
    let odd = |part: &str| part == ".." || part == "." || part.contains(['\\', '\0']);
    if path.split('/').any(odd) {
        return None;
    }
    let index = if path.is_empty() || path.ends_with('/') { "index.html" } else { "" };
    Some(PathBuf::from(format!("{SITE}/{path}{index}")))
}

/// With `%20` and the like in the place of what they stand for.
fn decoded(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}

fn type_of(path: &Path) -> &'static str {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    TYPES
        .iter()
        .find(|(known, _)| *known == ending)
        .map_or("application/octet-stream", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_absent_is_a_404_and_nothing_is_written() {
        assert_eq!(handle(Request::get("/absent")).unwrap().code(), 404);
        assert_eq!(handle(Request::post("/", "x")).unwrap().code(), 405);
    }

    #[test]
    fn a_path_means_a_file_below_the_directory_or_none() {
        assert_eq!(file_of("/a%20b.html"), Some("/site/a b.html".into()));
        assert_eq!(file_of("/docs/"), Some("/site/docs/index.html".into()));
        assert!(
            ["", "x", "/../x", "/%2e%2e/x", "/a%00b", "/%zz", "/a\\b"]
                .iter()
                .all(|path| file_of(path).is_none())
        );
    }
}
