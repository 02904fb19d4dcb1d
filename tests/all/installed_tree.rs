//! What an installation is: `bin/sandhog`, and what it starts in `libexec/sandhog/BUILD-ID`. It works wherever it is moved, and
//! starts nothing that somebody else could have put there.

use sandhog_harness::{Command, Folder, Need, Outcome, Person, chown, is_root, missing, names_in, sandhog};
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const PARTS: [&str; 2] = ["sandhog-worker", "sandhog-compiler"];

/// An id that no build has: they are hashes.
const ANOTHER: &str = "ffffffffffffffff";

/// Written by a process of its own: a program that this one starts at that moment, for another test, would have the file open for
/// writing up to its exec, and nobody could start it meanwhile (execve(2), ETXTBSY).
fn write_executable(path: &Path, bytes: &[u8]) {
    let mut writer = std::process::Command::new("sh");
    let mut writer = writer.args(["-c", "cat > \"$0\""]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    writer.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(writer.wait().unwrap().success());
}

/// An installation of what is under test, made as `./just install` makes it.
struct Tree {
    /// Where everybody may look.
    folder: Folder,
    build: String,
}

impl Tree {
    fn new() -> Self {
        let folder = Folder::new();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let version = Command::sandhog(["--version"]).run();
        let (_, build) = version.text().split_once("(build ").unwrap();
        let tree = Self { folder, build: build.trim_end_matches(")\n").to_owned() };
        tree.install();
        tree
    }

    fn install(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/install.sh");
        let output =
            std::process::Command::new(script).arg(sandhog().parent().unwrap()).arg(self.prefix()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn prefix(&self) -> PathBuf {
        self.folder.join("usr")
    }

    fn program(&self) -> PathBuf {
        self.prefix().join("bin/sandhog")
    }

    fn parts(&self) -> PathBuf {
        self.prefix().join("libexec/sandhog").join(&self.build)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.parts().join(name)
    }

    /// The command as another build would be, with the parts of this one where it looks for its own.
    fn become_another_build(&mut self) {
        let mut bytes = fs::read(self.program()).unwrap();
        let places = offsets_of(self.build.as_bytes(), &bytes);
        assert!(!places.is_empty(), "the id is not in the executable");
        for at in places {
            bytes[at..at + ANOTHER.len()].copy_from_slice(ANOTHER.as_bytes());
        }
        write_executable(&self.program(), &bytes);
        let parts = self.parts();
        self.build = ANOTHER.to_owned();
        fs::rename(parts, self.parts()).unwrap();
    }

    /// The whole tree, as that user would have installed it.
    fn give_to(&self, user: u32) {
        let libexec = self.prefix().join("libexec");
        let folders =
            [self.prefix(), self.prefix().join("bin"), libexec.clone(), libexec.join("sandhog"), self.parts()];
        let files = PARTS.map(|name| self.part(name)).into_iter().chain([self.program()]);
        folders.into_iter().chain(files).for_each(|path| chown(&path, user));
    }

    /// A run that is refused before anything is started; with exactly these words.
    fn refuses(&self, words: &str, hint: &str) {
        let outcome = Command::guest("hello").without_verdict().at(self.program()).run();
        outcome.reported(126, &format!("sandhog: {words}\n  hint: {hint}\n"));
        assert_eq!(outcome.text(), "");
    }
}

fn offsets_of(what: &[u8], bytes: &[u8]) -> Vec<usize> {
    bytes.windows(what.len()).enumerate().filter(|(_, window)| *window == what).map(|(at, _)| at).collect()
}

/// Compiles a module that no cache has.
fn compile(tree: &Tree) -> Outcome {
    let module = tree.folder.file("module.wat", "(module (memory (export \"memory\") 1) (func (export \"_start\")))");
    Command::module(module).at(tree.program()).cache(tree.folder.join("cache")).run()
}

#[test]
fn an_installed_tree_is_a_command_and_the_parts_of_its_build() {
    let tree = Tree::new();
    assert_eq!(tree.folder.names(), ["usr"]);
    assert_eq!(names_in(&tree.prefix()), ["bin", "libexec", "share"]);
    assert_eq!(names_in(&tree.prefix().join("bin")), ["sandhog"]);
    assert_eq!(names_in(&tree.prefix().join("libexec")), ["sandhog"]);
    assert_eq!(names_in(&tree.prefix().join("libexec/sandhog")), [tree.build.as_str()]);
    assert_eq!(names_in(&tree.parts()), ["sandhog-compiler", "sandhog-worker"]);
    Command::guest("hello").at(tree.program()).run().printed("hello\n");
    compile(&tree).printed("");
}

#[test]
fn an_installed_tree_may_be_moved() {
    let tree = Tree::new();
    let elsewhere = tree.folder.join("else where");
    fs::rename(tree.prefix(), &elsewhere).unwrap();
    Command::guest("hello").at(elsewhere.join("bin/sandhog")).run().printed("hello\n");
}

#[test]
fn an_ordinary_user_runs_what_root_has_installed_and_what_they_have() {
    let tree = Tree::new();
    Command::guest("hello").by_ordinary_user().at(tree.program()).run().printed("hello\n");
    if is_root() {
        tree.give_to(Person::MADE_UP.uid());
        Command::guest("hello").by_ordinary_user().at(tree.program()).run().printed("hello\n");
    }
}

#[test]
fn a_link_to_the_command_finds_the_parts() {
    let tree = Tree::new();
    let link = tree.folder.join("sandhog");
    symlink(tree.program(), &link).unwrap();
    let second = tree.folder.join("jobs");
    symlink("sandhog", &second).unwrap();
    for link in [link, second] {
        Command::guest("hello").at(link).run().printed("hello\n");
    }
}

#[test]
fn a_tree_is_installed_again_while_it_runs() {
    let tree = Tree::new();
    let mut running = Command::guest("cat").stdin_open().at(tree.program()).start();
    running.say("before");
    running.stdout.until("before");
    tree.install();
    running.say(", after");
    running.wait().printed("before, after");
    Command::guest("hello").at(tree.program()).run().printed("hello\n");
}

#[test]
fn parts_of_another_build_are_refused() {
    let mut tree = Tree::new();
    tree.become_another_build();
    let reason = "failed to start the zygote's program: the executable is of another build than the command: \
               install all of one version";
    Command::guest("hello").at(tree.program()).run().refused(reason);
    compile(&tree).refused(reason);
}

#[test]
fn a_part_that_is_no_executable_is_refused() {
    let tree = Tree::new();
    fs::write(tree.part("sandhog-worker"), "half a file").unwrap();
    fs::write(tree.part("sandhog-compiler"), "half a file").unwrap();
    let reason = "failed to start the zygote's program: Exec format error (os error 8)";
    Command::guest("hello").at(tree.program()).run().refused(reason);
    compile(&tree).refused(reason);
}

#[test]
fn a_part_that_others_may_write_is_refused() {
    let tree = Tree::new();
    for path in [tree.part("sandhog-worker"), tree.part("sandhog-compiler"), tree.parts()] {
        for right in [0o020, 0o002] {
            fs::set_permissions(&path, Permissions::from_mode(0o755 | right)).unwrap();
            let words = format!("{} can be written by others than its owner", path.display());
            tree.refuses(&words, "take that right away: chmod go-w");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    Command::guest("hello").at(tree.program()).run().printed("hello\n");
}

#[test]
fn a_part_that_somebody_else_owns_is_refused() {
    if !is_root() {
        missing(Need::Root, "only root gives files away");
        return;
    }
    let tree = Tree::new();
    for path in [tree.part("sandhog-worker"), tree.part("sandhog-compiler"), tree.parts()] {
        chown(&path, Person::MADE_UP.uid());
        let belongs = format!("{} belongs to user {}", path.display(), Person::MADE_UP.uid());
        tree.refuses(
            &format!("{belongs}: it has to belong to root, or to the owner of sandhog"),
            "chown it to root, or install sandhog again",
        );
        chown(&path, 0);
    }
}

#[test]
fn a_part_that_is_missing_or_a_link_is_refused() {
    let tree = Tree::new();
    for name in PARTS {
        let (path, away) = (tree.part(name), tree.folder.join("away"));
        fs::rename(&path, &away).unwrap();
        let beside = tree.prefix().join("bin").join(name);
        tree.refuses(
            &format!("{name} is not where it belongs: neither {} nor {}", path.display(), beside.display()),
            "install sandhog as a whole (./just install); its parts are not to be moved one by one",
        );
        symlink(&away, &path).unwrap();
        let outcome = Command::guest("hello").without_verdict().at(tree.program()).run();
        assert_eq!((outcome.code, outcome.text()), (126, ""), "{outcome:#?}");
        assert!(outcome.stderr.starts_with(&format!("sandhog: failed to open {}", path.display())), "{outcome:#?}");
        fs::rename(&away, &path).unwrap();
    }
    Command::guest("hello").at(tree.program()).run().printed("hello\n");
}
