use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A folder that goes with the test.
struct Folder {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { path: directory.path().canonicalize().unwrap(), _directory: directory }
    }

    fn manifest(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path.join("sandhog.toml");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// What is said of it, with its path left out.
    fn refusal(&self, path: &Path) -> String {
        let failure = load(Some(path), &Profile::default()).err().unwrap();
        assert_eq!(failure.code, exit_code::REFUSED);
        failure.problem.to_text(false).replace(self.path.to_str().unwrap(), "")
    }
}

#[test]
fn a_manifest_is_called_by_the_path_that_was_given_links_and_all() {
    let folder = Folder::new();
    fs::create_dir(folder.path.join("real")).unwrap();
    symlink("real", folder.path.join("link")).unwrap();
    fs::write(folder.path.join("real/sandhog.toml"), "[job.a]\nmodule = 'a.wasm'\n").unwrap();
    let manifest = load(Some(&folder.path.join("./link/sandhog.toml")), &Profile::default()).ok().unwrap();
    assert_eq!(Path::new(&manifest.source), folder.path.join("link/sandhog.toml"));
    assert_eq!(Path::new(&manifest.jobs[0].module), folder.path.join("link/a.wasm"));
    assert_eq!(
        source(Some(&folder.path.join("link/gone.toml"))).ok().unwrap(),
        folder.path.join("link/gone.toml").to_str().unwrap()
    );
    assert!(source(Some(&folder.path.join("nowhere/gone.toml"))).is_err());
}

#[test]
fn what_a_job_could_replace_is_told_with_its_place() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path.join("data/sub")).unwrap();
    let path = folder.manifest(
        "[job.a]\nmodule = 'data/a.wasm'\ndir = ['data::/d:rw', 'data/sub::/s']\nstdin = 'data/in'\n\
         child = ['x=data/x.wasm']\nhealth.command = ['data/h.wasm']\n",
    );
    for name in ["a.wasm", "x.wasm", "h.wasm", "in"] {
        fs::write(folder.path.join("data").join(name), "").unwrap();
    }
    let manifest = load(Some(&path), &Profile::default()).ok().unwrap();
    let exposed = exposed(Some(&path), &manifest).join("\n").replace(folder.path.to_str().unwrap(), "");
    let keys: Vec<_> = exposed.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        keys,
        [
            "/sandhog.toml:2:10: module",
            "/sandhog.toml:6:18: health.command",
            "/sandhog.toml:5:9: child",
            "/sandhog.toml:3:7: dir",
            "/sandhog.toml:4:9: stdin"
        ]
    );
    assert!(exposed.contains("module \"/data/a.wasm\" lies in \"/data\", which a job may write"), "{exposed}");
    let path = folder.manifest("[job.a]\nmodule = 'data/a.wasm'\ndir = ['data::/d', '.::/all:rw']\n");
    let manifest = load(Some(&path), &Profile::default()).ok().unwrap();
    assert!(super::exposed(Some(&path), &manifest)[0].starts_with("manifest "));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = Folder::new();
    let fifo = folder.path.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    assert_eq!(
        folder.refusal(&fifo),
        "sandhog: \"/fifo\" is no regular file (a pipe, socket or device); a manifest is a file\n"
    );
    assert_eq!(folder.refusal(&folder.path), "sandhog: \"\" is a directory; name the manifest in it\n");
    assert_eq!(folder.refusal(&folder.path.join("x")), "sandhog: there is no manifest at \"/x\"\n");
}

#[test]
fn what_is_too_large_is_not_read() {
    let folder = Folder::new();
    let path = folder.path.join("sandhog.toml");
    File::create(&path).unwrap().set_len(10 << 20).unwrap();
    assert_eq!(
        folder.refusal(&path),
        "sandhog: the manifest \"/sandhog.toml\" has 10485760 bytes, more than the limit of 1048576\n  \
         hint: a manifest is a list of jobs; put what they work with into files of their own\n"
    );
}

#[test]
fn a_byte_that_is_not_utf8_has_a_place() {
    let folder = Folder::new();
    let path = folder.manifest(b"# \xc3\xa9\nx = \"\xc3\xa9\xff\"\n");
    assert_eq!(
        folder.refusal(&path),
        "sandhog: /sandhog.toml:2:7: the byte 0xff is not UTF-8\n  hint: save it as UTF-8\n"
    );
}

#[test]
fn one_fault_is_a_line_and_several_are_a_list() {
    let folder = Folder::new();
    let path = folder.manifest("nam = 'x'\n");
    assert_eq!(folder.refusal(&path), "sandhog: /sandhog.toml:1:1: there is no key nam; did you mean name?\n");
    let path = folder.manifest("nam = 'x'\njobs = 1\n");
    assert_eq!(
        folder.refusal(&path),
        "sandhog: /sandhog.toml has 2 faults\n    /sandhog.toml:1:1: there is no key nam; did you mean name?\n    \
         /sandhog.toml:2:1: there is no key jobs; did you mean job?\n"
    );
    let path = folder.manifest("x\n".repeat(100));
    assert!(folder.refusal(&path).starts_with("sandhog: /sandhog.toml has at least 20 faults\n"));
}

#[test]
fn a_link_that_leaves_the_folder_is_refused_though_its_target_is_not_there() {
    let folder = Folder::new();
    symlink("/etc", folder.path.join("out")).unwrap();
    fs::create_dir(folder.path.join("data")).unwrap();
    symlink("data", folder.path.join("in")).unwrap();
    let path = folder.manifest("[job.a]\nmodule = 'out/nothing/a.wasm'\n");
    assert_eq!(
        folder.refusal(&path),
        "sandhog: /sandhog.toml:2:10: module \"out/nothing/a.wasm\": leaves the manifest's folder by a link, to \
         \"/etc/nothing/a.wasm\"; write that path itself if it is meant\n"
    );
    let path = folder.manifest("[job.a]\nmodule = 'in/a.wasm'\n");
    assert!(load(Some(&path), &Profile::default()).is_ok());
}

#[test]
fn files_that_are_not_there_are_told_with_their_places() {
    let folder = Folder::new();
    fs::write(folder.path.join("a.wasm"), "").unwrap();
    let path = folder.manifest(
        "[job.a]\nmodule = 'a.wasm'\n[job.b]\nmodule = 'b.wasm'\ndir = ['a.wasm', '.::/d']\nchild = ['x=.']\n\
         health.command = ['a.wasm']\n",
    );
    let manifest = load(Some(&path), &Profile::default()).ok().unwrap();
    let failure = check_files(Some(&path), &manifest).err().unwrap();
    assert_eq!(failure.code, exit_code::REFUSED);
    assert_eq!(
        failure.problem.to_text(false).replace(folder.path.to_str().unwrap(), ""),
        "sandhog: /sandhog.toml has 3 faults\n    /sandhog.toml:4:10: module \"/b.wasm\": there is no such module\n    \
         /sandhog.toml:6:9: child \"\": a directory; a module is a file (.wasm or .wat)\n    \
         /sandhog.toml:5:7: dir \"/a.wasm\": no directory\n"
    );
}
