//! Each starts one child that does the same, and waits for it; the deepest says why there is no deeper one.

use sandhog::{Error, Job, Result, Stdio, process};

#[sandhog::main]
fn main() -> Result<()> {
    let depth = process::identity().depth;
    match Job::new("again").module("again").stdout(Stdio::Inherit).spawn() {
        Ok(child) => assert!(child.wait()?.success()),
        Err(error) => {
            let quota = matches!(error, Error::Quota(_));
            println!("deepest: {depth}, quota {quota}: {error}");
        }
    }
    Ok(())
}
