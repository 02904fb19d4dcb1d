//! Starts children that do the same, until it may not any more; then says why, and ends them all.

use sandhog::{Error, Job, Stdio, process};

fn main() {
    let mut children = Vec::new();
    let error = loop {
        match Job::new("more").module("more").stdout(Stdio::Null).stderr(Stdio::Null).spawn() {
            Ok(child) => children.push(child),
            Err(error) => break error,
        }
    };
    let quota = matches!(error, Error::Quota(_));
    println!("{} at depth {}: quota {quota}: {error}", children.len(), process::identity().depth);
}
