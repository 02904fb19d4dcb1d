use super::*;
use sandhog_spec::job::Surroundings;
use sandhog_spec::manifest::Around;
use std::fs;
use tempfile::TempDir;

const TEXT: &str = "[job.web]\nmodule = \"web.wasm\"\nchild = [\"x=part/x.wasm\"]\nhealth.command = [\"check.wasm\"]\n\
                    [job.api]\nmodule = \"part/x.wasm\"\n";

fn manifest(folder: &TempDir, text: &str) -> Manifest {
    let file = folder.path().join("sandhog.toml");
    let around = Around {
        file: file.to_str().unwrap(),
        profile: None,
        surroundings: Surroundings { is_root: false, variable: &|_| None },
        resolve: &|path| Some(path.into()),
    };
    Manifest::parse(text, &around).unwrap()
}

fn places(places: &[usize]) -> BTreeSet<usize> {
    places.iter().copied().collect()
}

#[test]
fn every_module_of_a_job_is_one_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::of(&manifest(&folder, TEXT));
    let names: Vec<_> = (0..files.paths().len()).map(|place| files.name(place)).collect();
    assert_eq!(names, ["sandhog.toml", "web.wasm", "part/x.wasm", "check.wasm"]);
    assert_eq!(files.summary(), "sandhog.toml and 3 modules");
    let jobs = |changed: &[usize]| -> Vec<(String, String)> {
        files.jobs_of(&places(changed)).into_iter().map(|one| (one.job, one.files)).collect()
    };
    let of = |job: &str, files: &str| (job.to_owned(), files.to_owned());
    assert_eq!(jobs(&[2]), [of("web", "part/x.wasm"), of("api", "part/x.wasm")]);
    assert_eq!(jobs(&[1, 3]), [of("web", "web.wasm, check.wasm")]);
    assert_eq!(jobs(&[MANIFEST]), []);
}

#[test]
fn other_bytes_are_news_and_the_same_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::of(&manifest(&folder, TEXT));
    let web = folder.path().join("web.wasm");
    fs::write(&web, "1").unwrap();
    files.read();
    let all = places(&[0, 1, 2, 3]);
    assert_eq!(files.look(&all), News::default());
    fs::write(&web, "1").unwrap();
    assert_eq!(files.look(&all), News::default(), "written, and the same");
    fs::write(&web, "2").unwrap();
    assert_eq!(files.look(&all), News { changed: places(&[1]), gone: places(&[]) });
    fs::remove_file(&web).unwrap();
    assert_eq!(files.look(&all), News { changed: places(&[]), gone: places(&[1]) });
    assert_eq!(files.look(&all), News::default(), "that it is gone is no news");
    fs::write(&web, "2").unwrap();
    assert_eq!(files.look(&all), News::default(), "what runs is what is there again");
    fs::create_dir(folder.path().join("check.wasm")).unwrap();
    assert_eq!(files.look(&all), News::default(), "a folder is no module");
}

#[test]
fn what_a_manifest_names_that_is_not_up_yet_is_watched_beside_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Files::of(&manifest(&folder, TEXT));
    files.add(&manifest(&folder, "[job.new]\nmodule = \"new.wasm\"\n"));
    fs::write(folder.path().join("new.wasm"), "1").unwrap();
    assert_eq!(files.look(&places(&[4])).changed, places(&[4]));
    assert_eq!(files.jobs_of(&places(&[4])), []);
    assert_eq!(files.paths().len(), 5);
}
