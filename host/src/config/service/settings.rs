//! Every setting of a service as a manifest would say it, defaults included.

use super::words::{LEVELS, OVERLAPS, RESTARTS, word};
use super::{Ready, Retry, Rules, Service, retry};
use crate::config::grants::{Directory, Grants};
use crate::config::job::{Job, Stdin, User};
use crate::config::text::is_plain;
use crate::config::units::{print_duration, print_size};
use sandhog_protocol::plan::Access;
use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

/// What stands for a setting that is not set and has no default.
pub(crate) const NONE: &str = "none";

impl Service {
    /// Key and value of every setting in the order of the documentation; values as TOML has them, `none` where there is
    /// none. Of variables only the names: values may be secrets.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        let mut list = List::default();
        list.text("group", &self.group);
        list.module(&self.job);
        list.grants(&self.job.grants);
        list.limits(&self.job);
        list.texts("after", &self.after);
        list.plain("instances", self.instances);
        list.rules(&self.rules);
        list.health(self);
        list.schedule(self);
        list.size("logs.size", self.logs.file_bytes);
        list.plain("logs.files", self.logs.files);
        list.text("log", word(self.logs.level, &LEVELS));
        list.0
    }
}

#[derive(Default)]
struct List(Vec<(String, String)>);

impl List {
    fn plain(&mut self, key: &str, value: impl Display) {
        self.0.push((key.into(), value.to_string()));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.plain(key, quoted(value));
    }

    fn texts<T: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        let values: Vec<_> = values.into_iter().map(|value| quoted(value.as_ref())).collect();
        self.plain(key, format!("[{}]", values.join(", ")));
    }

    fn size(&mut self, key: &str, bytes: u64) {
        self.text(key, &print_size(bytes));
    }

    fn time(&mut self, key: &str, time: Duration) {
        self.text(key, &print_duration(time));
    }

    fn maybe<T>(&mut self, key: &str, value: Option<T>, set: impl FnOnce(&mut Self, &str, T)) {
        match value {
            Some(value) => set(self, key, value),
            None => self.plain(key, NONE),
        }
    }

    fn module(&mut self, job: &Job) {
        self.text("module", &shown(&job.module));
        self.text("argv0", &job.argv0);
        self.texts("args", &job.args);
    }

    fn grants(&mut self, grants: &Grants) {
        self.texts("dir", grants.directories.iter().map(print_directory));
        self.texts("env", grants.env.iter().map(|(name, _)| name));
        self.texts("child", grants.modules.iter().map(|(name, file)| format!("{name}={}", shown(file))));
        self.plain("allow_detached", grants.detached);
        // There is no other network.
        self.text("net", "none");
    }

    fn limits(&mut self, job: &Job) {
        let (limits, family) = (&job.limits, &job.family);
        self.plain("max_children", family.alive);
        self.plain("max_child_depth", family.depth);
        self.plain("max_child_rate", family.rate);
        self.plain("fresh", job.fresh);
        self.size("memory", limits.memory_bytes);
        self.maybe("timeout", limits.timeout, Self::time);
        self.maybe("cpu", limits.cpu, Self::time);
        self.maybe("fuel", limits.fuel, Self::plain);
        self.maybe("max_output", limits.max_output_bytes, Self::size);
        self.size("max_file", limits.max_file_bytes);
        self.plain("max_files", limits.max_files);
        self.text("stdin", &print_stdin(&job.stdin));
        self.text("user", &print_user(job.user));
        self.time("compile_timeout", job.compile.cpu);
        self.size("compile_memory", job.compile.memory_bytes);
        self.texts("allow_missing", job.allow_missing.iter().map(|wall| wall.name()));
    }

    fn rules(&mut self, rules: &Rules) {
        self.text("restart", word(rules.restart, &RESTARTS));
        let retries: Vec<_> = rules.retry_on.iter().map(print_retry).collect();
        self.plain("retry_on", format!("[{}]", retries.join(", ")));
        self.texts("stop_on", rules.stop_on.iter().map(|kind| kind.name()));
        self.time("backoff.first", rules.backoff.first);
        self.time("backoff.most", rules.backoff.most);
        self.time("backoff.reset_after", rules.backoff.reset_after);
        self.plain("intensity.restarts", rules.intensity.restarts);
        self.time("intensity.within", rules.intensity.within);
        match rules.ready {
            Ready::Said => self.text("ready", "said"),
            Ready::Lived(time) => self.time("ready", time),
        }
        self.time("start_timeout", rules.start_timeout);
        self.time("grace", rules.grace);
        self.maybe("recycle.memory", rules.recycle_memory_bytes, Self::size);
    }

    fn health(&mut self, service: &Service) {
        self.maybe("health.heartbeat", service.rules.heartbeat, Self::time);
        let command = service.check.as_ref().map(|check| &check.job);
        self.maybe("health.command", command, |list, key, job| {
            list.texts(key, [shown(&job.module)].iter().chain(&job.args));
        });
        if let Some(job) = command {
            self.maybe("health.every", service.rules.check_every, Self::time);
            self.maybe("health.timeout", job.limits.timeout, Self::time);
        }
        let is_checked = service.check.is_some() || service.rules.heartbeat.is_some();
        self.maybe("health.misses", is_checked.then_some(service.rules.misses), Self::plain);
    }

    fn schedule(&mut self, service: &Service) {
        let Some(schedule) = &service.schedule else { return self.plain("schedule", NONE) };
        self.text("schedule", &schedule.expression);
        self.text("time_zone", schedule.time_zone_name());
        self.maybe("overlap", service.rules.overlap, |list, key, overlap| list.text(key, word(overlap, &OVERLAPS)));
        self.plain("catch_up", schedule.catch_up);
    }
}

/// A string of TOML that is harmless to a terminal.
/// Source: TOML 1.0.0, "String".
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            plain if is_plain(plain) => quoted.push(plain),
            // Writing to a String does not fail.
            hidden => drop(write!(quoted, "\\U{:08x}", u32::from(hidden))),
        }
    }
    quoted.push('"');
    quoted
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn print_directory(directory: &Directory) -> String {
    let access = match directory.access {
        Access::ReadOnly => "ro",
        Access::ReadWrite => "rw",
    };
    format!("{}::{}:{access}", shown(&directory.host), directory.guest)
}

fn print_stdin(stdin: &Stdin) -> String {
    match stdin {
        Stdin::Inherit => "-".into(),
        Stdin::File(file) => shown(file),
        Stdin::None => "none".into(),
    }
}

fn print_user(user: User) -> String {
    match user {
        User::Auto => "auto".into(),
        User::Keep => "keep".into(),
        User::Ids { uid, gid } => format!("{uid}:{gid}"),
    }
}

fn print_retry(retry: &Retry) -> String {
    let verdict = quoted(retry.on.name());
    let Some(times) = retry.times else { return verdict };
    let at_most = retry.at_most.map(|most| format!(", at_most = {}", quoted(&retry::print_at_most(retry.on, most))));
    format!("{{ verdict = {verdict}, times = {times}{} }}", at_most.unwrap_or_default())
}
