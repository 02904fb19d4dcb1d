//! A container of crun's with the tiny program in it and nothing else: `crun run`, from its start to its end.

use super::Outcome;
use super::contestant::Contestant;
use super::peers::{Peers, text};
use super::tiny;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Commands of a shell in a mount namespace of its own, for machines whose cgroups crun does not know: it sees those of
/// version 2, and uses none.
const OTHER_CGROUPS: &str = r#"mount -t cgroup2 none /sys/fs/cgroup && exec "$@""#;

/// Its name and how it is run. None: it is not here, or it starts no container here.
///
/// A container has a name, which no other one may have at the same time: `which` tells them apart.
pub(crate) fn contestant(peers: &Peers, which: usize) -> Outcome<Option<(&'static str, Contestant)>> {
    let Some(crun) = &peers.crun else { return Ok(None) };
    let bundle = bundle(peers, crun)?;
    let mut plain = vec![text(crun)];
    let rest =
        ["--root", &text(&peers.file("crun-state")), "run", "--bundle", &text(&bundle), &format!("bench-{which}")];
    let mut without = vec![text(crun), "--cgroup-manager=disabled".to_owned()];
    for command in [&mut plain, &mut without] {
        command.extend(rest.map(str::to_owned));
    }
    if works(&plain) {
        return Ok(Some(("crun run", Contestant::Command(plain))));
    }
    let shell = ["--mount", "--propagation", "private", "sh", "-c", OTHER_CGROUPS, "sh"].map(str::to_owned);
    let tried: Vec<String> = ["unshare".to_owned()].into_iter().chain(shell.clone()).chain(without.clone()).collect();
    if !works(&tried) {
        eprintln!("crun starts no container here, and is not measured");
        return Ok(None);
    }
    let mut command = Command::new("unshare");
    command.args(shell).arg(std::env::current_exe()?).arg("--serve").args(without);
    Ok(Some(("crun run, no cgroups", Contestant::Helper(super::contestant::Helper::start(&mut command)?))))
}

fn works(command: &[String]) -> bool {
    let [program, args @ ..] = command else { return false };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// A bundle of what `crun spec` writes, with this program and no terminal.
fn bundle(peers: &Peers, crun: &Path) -> Outcome<std::path::PathBuf> {
    let bundle = peers.file("crun-bundle");
    fs::create_dir_all(bundle.join("rootfs"))?;
    fs::copy(tiny::program(peers)?, bundle.join("rootfs/hello"))?;
    let config = bundle.join("config.json");
    if config.exists() {
        fs::remove_file(&config)?;
    }
    if !Command::new(crun).arg("spec").current_dir(&bundle).status()?.success() {
        return Err("crun writes no configuration".into());
    }
    let mut spec: Value = serde_json::from_str(&fs::read_to_string(&config)?)?;
    spec["process"]["terminal"] = json!(false);
    spec["process"]["args"] = json!(["/hello"]);
    fs::write(&config, spec.to_string())?;
    Ok(bundle)
}
