use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A folder with its links followed, and what happens to paths below it.
struct Kit {
    folder: TempDir,
    paths: Vec<PathBuf>,
    notices: Notices,
}

impl Kit {
    /// Watches these paths, relative to the folder, after `prepare` has made what is there.
    fn new(paths: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let paths = paths.iter().map(|path| folder.path().join(path)).collect();
        let mut kit = Self { folder, paths, notices: Notices::new().unwrap() };
        kit.look();
        kit
    }

    fn look(&mut self) {
        let paths: Vec<_> = self.paths.iter().map(PathBuf::as_path).collect();
        assert_eq!(self.notices.look_at(&paths).unwrap(), BTreeSet::new());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is heard of so far, without waiting.
    fn heard(&self) -> Vec<usize> {
        let mut touched = BTreeSet::new();
        self.notices.hear(&mut touched).unwrap();
        touched.into_iter().collect()
    }
}

#[test]
fn a_file_that_is_written_replaced_deleted_or_made_is_heard_of_and_its_neighbours_are_not() {
    let kit = Kit::new(&["a", "b"], |folder| fs::write(folder.join("a"), "1").unwrap());
    fs::write(kit.at("a"), "2").unwrap();
    assert_eq!(kit.heard(), [0]);
    fs::write(kit.at("new"), "3").unwrap();
    assert_eq!(kit.heard(), [0; 0], "another name in the same folder");
    fs::rename(kit.at("new"), kit.at("a")).unwrap();
    assert_eq!(kit.heard(), [0]);
    fs::remove_file(kit.at("a")).unwrap();
    assert_eq!(kit.heard(), [0]);
    fs::write(kit.at("b"), "4").unwrap();
    assert_eq!(kit.heard(), [1], "it was not there before");
    fs::hard_link(kit.at("b"), kit.at("a")).unwrap();
    assert_eq!(kit.heard(), [0], "as cargo puts a module into its place");
}

#[test]
fn a_link_is_heard_of_and_so_is_what_it_leads_to() {
    let mut kit = Kit::new(&["current/a"], |folder| {
        for release in ["one", "two"] {
            fs::create_dir(folder.join(release)).unwrap();
            fs::write(folder.join(release).join("a"), release).unwrap();
        }
        symlink("one", folder.join("current")).unwrap();
    });
    fs::write(kit.at("one/a"), "1").unwrap();
    assert_eq!(kit.heard(), [0]);
    fs::write(kit.at("two/a"), "2").unwrap();
    assert_eq!(kit.heard(), [0; 0], "it does not lead there");
    symlink("two", kit.at("next")).unwrap();
    fs::rename(kit.at("next"), kit.at("current")).unwrap();
    assert_eq!(kit.heard(), [0]);
    kit.look();
    fs::write(kit.at("one/a"), "1").unwrap();
    assert_eq!(kit.heard(), [0; 0]);
    fs::write(kit.at("two/a"), "2").unwrap();
    assert_eq!(kit.heard(), [0]);
}

#[test]
fn folders_that_come_and_go_are_heard_of() {
    let mut kit = Kit::new(&["target/release/a"], |_| {});
    fs::create_dir_all(kit.at("target/release")).unwrap();
    assert_eq!(kit.heard(), [0]);
    kit.look();
    fs::write(kit.at("target/release/a"), "1").unwrap();
    assert_eq!(kit.heard(), [0]);
    fs::remove_dir_all(kit.at("target")).unwrap();
    assert_eq!(kit.heard(), [0]);
    kit.look();
    fs::create_dir_all(kit.at("other/release")).unwrap();
    fs::rename(kit.at("other"), kit.at("target")).unwrap();
    assert_eq!(kit.heard(), [0]);
}

#[test]
fn a_circle_of_links_ends() {
    let kit = Kit::new(&["a"], |folder| {
        symlink("b", folder.join("a")).unwrap();
        symlink("a", folder.join("b")).unwrap();
    });
    fs::remove_file(kit.at("b")).unwrap();
    assert_eq!(kit.heard(), [0]);
}

#[test]
fn many_changes_are_one() {
    let kit = Kit::new(&["a", "b", "c"], |_| {});
    for name in ["a", "b", "a"] {
        fs::write(kit.at(name), name).unwrap();
    }
    assert_eq!(kit.notices.next().unwrap(), BTreeSet::from([0, 1]));
    assert_eq!(kit.heard(), [0; 0]);
}
