//! A manifest with every key, the usual value where there is one, and what each means.

use crate::setting::{Setting, Top, Usual};

/// Where comments stand; behind a longer line they come right after.
const COMMENT: usize = 40;

/// One manifest: a job that is kept up, one that it comes after, one that serves HTTP, and one with a schedule.
pub fn sample() -> String {
    let of_schedules = |setting: Setting| {
        let with = setting.facts().with.as_ref();
        setting == Setting::Schedule || with.is_some_and(|with| with.settings.contains(&Setting::Schedule))
    };
    let of_http = |setting: Setting| {
        let with = setting.facts().with.as_ref();
        setting == Setting::Listen || with.is_some_and(|with| with.settings.contains(&Setting::Listen))
    };
    let of_both = |setting: &Setting| *setting == Setting::Module;
    let is_of_web = |setting: &Setting| !of_schedules(*setting) && !of_http(*setting) && *setting != Setting::Group;
    let web = Setting::keys().filter(is_of_web);
    let api = Setting::keys().filter(|setting| of_http(*setting));
    let report = Setting::keys().filter(|setting| of_schedules(*setting) || *setting == Setting::Group);
    [
        line("name = \"site\"", Top::Name.about()),
        line("strategy = \"one-for-one\"", Top::Strategy.about()),
        line("\n[group.night]", Top::Group.about()),
        "strategy = \"rest-for-one\"\n".into(),
        line("\n[defaults]", Top::Defaults.about()),
        format!("\n# {}.\n[job.web]\n", Top::Job.about()),
        web.map(told).collect(),
        "\n[job.db]\nmodule = \"db.wasm\"\n".into(),
        "\n[job.api]\nmodule = \"api.wasm\"\n".into(),
        api.map(told).collect(),
        "\n[job.report]\nmodule = \"report.wasm\"\n".into(),
        report.filter(|setting| !of_both(setting)).map(told).collect(),
        line("\n[profile.production.job.web]", Top::Profile.about()),
        "memory = \"1GiB\"\n".into(),
    ]
    .concat()
}

fn told(setting: Setting) -> String {
    let about = setting.facts().about;
    let (value, about) = match setting.facts().usual {
        Usual::Nothing => (setting.example(), format!("none; {about}")),
        Usual::Depends(on) => (setting.example(), format!("by default {on}; {about}")),
        Usual::Needed => (setting.example(), about.into()),
        usual @ (Usual::Size(_) | Usual::Time(_) | Usual::Word(_) | Usual::Count(_) | Usual::No) => {
            (usual.to_toml().unwrap_or_default(), about.into())
        }
    };
    line(&format!("{} = {value}", setting.key()), &about)
}

fn line(text: &str, comment: &str) -> String {
    // A line break in front is none of the width.
    let width = COMMENT + text.matches('\n').count();
    format!("{text:width$}# {comment}\n", width = width.max(text.len() + 1))
}
