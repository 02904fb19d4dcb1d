//! file_attack GRANT SECRET [ABSOLUTE]: tries to get at the file SECRET, which lies beside the granted
//! directory, and at ABSOLUTE, the same file's path on the host, in every way that WASI has words for.
//!
//! Prints one line for each attempt, `NAME: refused(ERRNO)` or `NAME: GOT "content"`, and exits with 1
//! if any got through. Symlinks that already lie in the directory are taken for ways out, too.
//! A directory granted read-write allows more attempts: prepare one, and try both.

use sandhog_test_guests::dir::{self, Open};
use sandhog_test_guests::{Attempt, Dir, arg, optional_arg};
use std::process::ExitCode;

struct Attack {
    dir: Dir,
    secret: String,
    absolute: String,
    got_through: u32,
}

impl Attack {
    fn report(&mut self, name: &str, attempt: Attempt<String>) {
        match attempt {
            Err(errno) => println!("{name}: refused({})", errno.name()),
            Ok(content) => {
                self.got_through += 1;
                println!("{name}: GOT {content:?}");
            }
        }
    }

    fn read(&mut self, name: &str, path: &str) {
        self.report(name, self.dir.read(path));
    }

    /// An act on the outside that leaves nothing to read is reported by what it did.
    fn act(&mut self, name: &str, attempt: Attempt) {
        self.report(name, attempt.map(|()| "done".to_string()));
    }

    fn outside(&self) -> String {
        format!("../{}", self.secret)
    }

    fn by_dots(&mut self) {
        let (outside, secret) = (self.outside(), self.secret.clone());
        self.read("parent", &outside);
        self.read("dot_then_parent", &format!("./{outside}"));
        self.read("doubled_slashes", &format!(".//..//{secret}"));
        self.read("down_and_up", &format!("sub/../{outside}"));
        self.read("down_and_up_unmade", &format!("nothing_here/../{outside}"));
        self.read("through_a_file", &format!("file/../{outside}"));
        self.read("many_parents", &format!("{}etc/passwd", "../".repeat(64)));
        self.read("too_many_parents", &format!("{}etc/passwd", "../".repeat(4096)));
        self.read("long_way_round", &format!("{}{outside}", "sub/../".repeat(500)));
        self.read("nul_byte", &format!("{outside}\0"));
        self.read("backslashes", &format!("..\\{secret}"));
        self.report("parent_as_directory", self.dir.open_dir("..").and_then(|up| up.read(&secret)));
        self.report("parent_twice", self.dir.open_dir("sub/../..").and_then(|up| up.read(&secret)));
        self.report("stat", self.dir.stat(&outside).map(|stat| format!("{} bytes", stat.size)));
    }

    fn by_absolute_paths(&mut self) {
        let (absolute, secret) = (self.absolute.clone(), self.secret.clone());
        self.read("absolute", &absolute);
        self.read("absolute_doubled_slash", &format!("/{absolute}"));
        self.read("absolute_after_parent", &format!("..{absolute}"));
        self.read("root", &format!("/{secret}"));
        self.read("system_file", "/etc/passwd");
        for root in ["/proc/self/root", "/proc/1/root", "/proc/self/cwd", "proc/self/root"] {
            self.read(&format!("proc {root}"), &format!("{root}{absolute}"));
        }
        for fd in 0..8 {
            self.read(&format!("proc fd {fd}"), &format!("/proc/self/fd/{fd}/{secret}"));
        }
    }

    fn by_trailing_slash(&mut self) {
        let outside = self.outside();
        self.read("trailing_slash", &format!("{outside}/"));
        self.read("trailing_dot", &format!("{outside}/."));
        self.report(
            "slash_after_parent",
            self.dir.open_dir("../").and_then(|up| up.read(&self.secret)),
        );
        self.act("trailing_slash_create", self.dir.write("../planted/", Open::CREATE, "planted"));
    }

    /// A symlink that is there, followed in each way that a path can follow one.
    fn through(&mut self, name: &str, link: &str) {
        let secret = self.secret.clone();
        self.read(&format!("{name} followed"), link);
        self.read(&format!("{name} with slash"), &format!("{link}/"));
        self.read(&format!("{name} with dot"), &format!("{link}/."));
        self.read(&format!("{name} below"), &format!("{link}/{secret}"));
        self.read(&format!("{name} beside"), &format!("{link}/../{secret}"));
        self.report(
            &format!("{name} as directory"),
            self.dir.open_dir(link).and_then(|to| to.read(&secret)),
        );
        self.report(
            &format!("{name} as directory with slash"),
            self.dir.open_dir(&format!("{link}/")).and_then(|to| to.read(&secret)),
        );
        let hard = format!("hard_{}", link.replace('/', "_"));
        let linked = self.dir.link(true, link, &hard).and_then(|()| self.dir.read(&hard));
        self.report(&format!("{name} hard-linked"), linked);
        let _ = self.dir.unlink(&hard);
    }

    fn by_planted_symlinks(&mut self) {
        for link in self.dir.symlinks() {
            self.through(&format!("planted symlink {link}"), &link);
        }
    }

    fn by_own_symlinks(&mut self) {
        let (outside, absolute) = (self.outside(), self.absolute.clone());
        let targets = [
            ("symlink_to_parent_file", outside.clone()),
            ("symlink_to_parent", "..".to_string()),
            ("symlink_to_parent_slash", "../".to_string()),
            ("symlink_to_absolute", absolute),
            ("symlink_to_root", "/".to_string()),
            ("symlink_to_proc", "/proc/self/root".to_string()),
            ("symlink_through_sub", format!("sub/../{outside}")),
        ];
        for (name, target) in targets {
            match self.dir.symlink(&target, name) {
                Err(errno) => println!("{name}: refused({})", errno.name()),
                Ok(()) => self.through(name, name),
            }
            let _ = self.dir.unlink(name);
        }
    }

    /// Two links that stay inside, each on its own; a link that stays inside until it is moved up.
    fn by_clever_symlinks(&mut self) {
        let secret = self.secret.clone();
        let made =
            self.dir.symlink("..", "sub/up").and_then(|()| self.dir.symlink("sub/up", "top"));
        match made {
            Err(errno) => println!("symlink_chain: refused({})", errno.name()),
            Ok(()) => self.read("symlink_chain", &format!("top/../{secret}")),
        }
        match self.dir.rename("sub/up", "up") {
            Err(errno) => println!("symlink_moved_up: refused({})", errno.name()),
            Ok(()) => self.through("symlink_moved_up", "up"),
        }
        for link in ["sub/up", "top", "up"] {
            let _ = self.dir.unlink(link);
        }
    }

    fn by_hard_link(&mut self) {
        let (outside, absolute) = (self.outside(), self.absolute.clone());
        for (name, from) in [("hard_link", outside), ("hard_link_absolute", absolute)] {
            for (how, follow) in [("", false), ("_following", true)] {
                let linked =
                    self.dir.link(follow, &from, "hard").and_then(|()| self.dir.read("hard"));
                self.report(&format!("{name}{how}"), linked);
                let _ = self.dir.unlink("hard");
            }
        }
        self.act("hard_link_out", self.dir.link(false, "file", "../linked_out"));
    }

    /// Descriptors that nobody granted, and directories reached through them.
    fn by_descriptors(&mut self) {
        let secret = self.secret.clone();
        let granted = self.dir.0;
        for fd in (3..512).filter(|fd| *fd != granted) {
            if let Ok(content) = Dir(fd).read(&secret) {
                self.report(&format!("descriptor {fd}"), Ok(content));
            }
            if let Ok(content) = dir::read_fd(fd) {
                self.report(&format!("descriptor {fd} itself"), Ok(content));
            }
        }
    }

    /// Last, since one that got through would change what the others find.
    fn by_change(&mut self) {
        let outside = self.outside();
        let stolen = self.dir.rename(&outside, "stolen").and_then(|()| self.dir.read("stolen"));
        self.report("rename_in", stolen);
        self.act("rename_out", self.dir.rename("file", "../renamed_out"));
        self.act("create_outside", self.dir.write("../planted", Open::CREATE, "planted"));
        self.act("overwrite_outside", self.dir.write(&outside, Open::TRUNCATE, "overwritten"));
        self.act("mkdir_outside", self.dir.mkdir("../planted_directory"));
        self.act("symlink_outside", self.dir.symlink("file", "../planted_link"));
        self.act("times_outside", self.dir.set_times(&outside));
        self.act("unlink_outside", self.dir.unlink(&outside));
        self.act("rmdir_itself", self.dir.rmdir("../sub"));
    }
}

fn main() -> ExitCode {
    let mut attack = Attack {
        dir: dir::granted_or_exit(&arg(1, "GRANT")),
        secret: arg(2, "SECRET"),
        absolute: optional_arg(3).unwrap_or_else(|| format!("/{}", arg(2, "SECRET"))),
        got_through: 0,
    };
    // Some attempts need something of ours to start from; read-only, they have what the test laid out.
    let _ = attack.dir.mkdir("sub");
    let _ = attack.dir.write("file", Open::CREATE, "ours");
    attack.by_descriptors();
    attack.by_dots();
    attack.by_absolute_paths();
    attack.by_trailing_slash();
    attack.by_planted_symlinks();
    attack.by_own_symlinks();
    attack.by_clever_symlinks();
    attack.by_hard_link();
    attack.by_change();
    println!("{} got through", attack.got_through);
    if attack.got_through == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
