//! Which file of a cgroup gets which value, and what its counters say. Pure.
//!
//! Sources: Documentation/admin-guide/cgroup-v1/memory.rst and pids.rst, Documentation/admin-guide/cgroup-v2.rst.

use super::controller::{Controller, Version};

/// What a cgroup may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) memory_bytes: u64,
    pub(super) tasks: u32,
}

/// One value for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) file: &'static str,
    pub(super) value: String,
    /// Whether the file is there depends on how the kernel was built and booted; without it, swap is not
    /// limited.
    pub(super) optional: bool,
}

/// The values for a cgroup, in the order in which they have to be written.
pub(super) fn settings(version: Version, controllers: &[Controller], limits: Limits) -> Vec<Setting> {
    controllers.iter().flat_map(|controller| for_controller(version, *controller, limits)).collect()
}

fn for_controller(version: Version, controller: Controller, limits: Limits) -> Vec<Setting> {
    let setting = |file, value: String| Setting { file, value, optional: false };
    let optional = |file, value: String| Setting { file, value, optional: true };
    let memory = limits.memory_bytes.to_string();
    match (version, controller) {
        // Memory and swap together may never be less than memory alone: memory comes first.
        (Version::V1, Controller::Memory) => {
            vec![setting("memory.limit_in_bytes", memory.clone()), optional(swap_file(version), memory)]
        }
        // Here swap is counted for itself.
        (Version::V2, Controller::Memory) => {
            vec![setting("memory.max", memory), optional(swap_file(version), "0".to_owned())]
        }
        (Version::V1 | Version::V2, Controller::Tasks) => vec![setting("pids.max", limits.tasks.to_string())],
    }
}

/// The file that limits swap.
pub(super) const fn swap_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.memsw.limit_in_bytes",
        Version::V2 => "memory.swap.max",
    }
}

/// The file that counts what the kernel killed for memory.
pub(super) const fn kills_file(version: Version) -> &'static str {
    match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    }
}

/// The line `oom_kill` of that file. None: a kernel before 4.13, which does not count.
pub(super) fn kills(content: &str) -> Option<u64> {
    content.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// What to write into `cgroup.subtree_control`, so that children can be limited. None: nothing is missing.
pub(super) fn enable(controllers: &[Controller], enabled: &str) -> Option<String> {
    let missing = |name: &&str| !enabled.split_ascii_whitespace().any(|other| other == *name);
    let names = controllers.iter().map(|controller| controller.name());
    let words: Vec<_> = names.filter(missing).map(|name| format!("+{name}")).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What is weak where swap is not limited. `swaps`: /proc/swaps, one line for the columns, one for each area.
pub(super) fn swap_weakness(swap_is_limited: bool, swaps: &str) -> Option<String> {
    (!swap_is_limited && swaps.lines().count() > 1)
        .then(|| "the cgroup does not limit swap: boot with swapaccount=1, or turn swap off".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Controller, Limits, Version, enable, kills, settings, swap_weakness};

    const BOTH: [Controller; 2] = [Controller::Memory, Controller::Tasks];
    const LIMITS: Limits = Limits { memory_bytes: 64 << 20, tasks: 9 };

    fn lines(version: Version, controllers: &[Controller]) -> Vec<String> {
        let settings = settings(version, controllers, LIMITS);
        settings.iter().map(|s| format!("{}={}{}", s.file, s.value, if s.optional { "?" } else { "" })).collect()
    }

    #[test]
    fn version_1_limits_memory_then_memory_with_swap_then_tasks() {
        let expected = ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=67108864?", "pids.max=9"];
        assert_eq!(lines(Version::V1, &BOTH), expected);
        assert_eq!(lines(Version::V1, &[Controller::Tasks]), ["pids.max=9"]);
    }

    #[test]
    fn version_2_limits_memory_and_tasks_and_allows_no_swap() {
        assert_eq!(lines(Version::V2, &BOTH), ["memory.max=67108864", "memory.swap.max=0?", "pids.max=9"]);
    }

    #[test]
    fn kills_are_read_from_both_versions() {
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(kills("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 5\n"), Some(1));
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\n"), None);
        assert_eq!(kills("oom_kill many\n"), None);
    }

    #[test]
    fn only_what_is_not_yet_enabled_is_enabled() {
        assert_eq!(enable(&BOTH, "").as_deref(), Some("+memory +pids"));
        assert_eq!(enable(&BOTH, "cpu memory\n").as_deref(), Some("+pids"));
        assert_eq!(enable(&BOTH, "cpu memory pids\n"), None);
    }

    #[test]
    fn unlimited_swap_is_weak_only_where_there_is_swap() {
        let areas = "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n";
        assert!(swap_weakness(false, areas).is_some());
        assert_eq!(swap_weakness(true, areas), None);
        assert_eq!(swap_weakness(false, "Filename Type Size Used Priority\n"), None);
        assert_eq!(swap_weakness(false, ""), None);
    }
}
