//! The settings that the operator fixes before anything untrusted is read, and that bind the spawner.

use super::plan;
use super::pool::Settings;
use super::processors::compiler_threads_max;
use sandhog_protocol::limits;
use sandhog_protocol::plan::{Walls, ZygotePlan};
use sandhog_spawner::floor::{Floor, MaxLimits, standing};
use sandhog_spec::http::Serving;
use sandhog_spec::job::{ChildQuota, CompileLimits, FILES_MAX, Job, Limits, MEMORY_MAX, User, Uses};

/// A guest whose zygote may begin before it is asked for.
#[derive(Clone, Copy, Debug)]
struct First {
    limits: Limits,
    uses: Uses,
    /// It is a pool's.
    slots: Option<u32>,
}

impl First {
    const fn of(job: &Job) -> Self {
        Self { limits: job.limits, uses: job.uses(), slots: None }
    }
}

/// A command's own settings; a daemon has none of a job's.
#[derive(Clone, Debug)]
pub struct Terms {
    pub(super) user: User,
    /// Walls that may be missing where they can't be built.
    may_miss: Walls,
    /// What has to stand around native code of the doctor's, where there is any.
    probes: Option<Walls>,
    max: MaxLimits,
    daemon: bool,
    /// The guest whose zygote is asked for first, where a guest is to run.
    first: Option<First>,
}

impl Terms {
    /// Of a command that runs or compiles this job, and what the job starts.
    pub fn of(job: &Job) -> Self {
        Self {
            user: job.user,
            may_miss: job.allow_missing.clone(),
            probes: None,
            max: {
                let objects = job.has_objects().then_some(job.object_quota.memory_bytes);
                let all = plan::max_limits(&job.limits, &job.compile, compiler_threads_max(), objects);
                let open_files = all.open_files.max(plan::guest_worker(job, true).rlimits.open_files);
                MaxLimits { zygotes: zygotes(&job.child_quota), open_files, ..all }
            },
            daemon: false,
            first: None,
        }
    }

    /// Of a command that runs this job at once: its zygote may begin before it is asked for. With native code of the doctor's
    /// in its place, behind these walls at least, nothing begins before.
    pub fn of_run(job: &Job, probes: Option<Walls>) -> Self {
        let first = probes.is_none().then_some(First { slots: None, ..First::of(job) });
        Self { probes, first, ..Self::of(job) }
    }

    /// Of a command that keeps a pool of workers for this job.
    pub fn of_pool(job: &Job, pool: &Settings) -> Self {
        let (alone, workers, slots) = (Self::of(job), pool.workers(), pool.slots());
        let pool = plan::zygote_of(&job.limits, job.uses(), slots, &Walls::new());
        let each = zygotes(&job.child_quota).saturating_mul(workers as usize);
        Self {
            max: MaxLimits {
                zygotes: each,
                cgroup_memory_bytes: alone.max.cgroup_memory_bytes.max(pool.cgroup_memory_bytes),
                cgroup_tasks: alone.max.cgroup_tasks.max(pool.cgroup_tasks),
                slots: slots.unwrap_or(0),
                ..alone.max
            },
            first: Some(First { slots, ..First::of(job) }),
            ..alone
        }
    }

    /// Of a command that keeps up to so many workers of this job, which answer HTTP: they share zygotes, and each may have a
    /// successor. `alone`: a process for each connection, out of a pool.
    pub fn of_serve(job: &Job, workers: u32, alone: bool) -> Self {
        if alone {
            return Self::of_pool(job, &Settings { busy_max: workers, ready: workers, ..Settings::default() });
        }
        let (one, slots) = (Self::of(job), workers.saturating_add(1));
        let shared = plan::shared_zygote(&job.limits, job.uses(), slots, &Walls::new());
        Self {
            max: MaxLimits {
                zygotes: zygotes(&job.child_quota).saturating_mul(slots as usize),
                cgroup_memory_bytes: one.max.cgroup_memory_bytes.max(shared.cgroup_memory_bytes),
                cgroup_tasks: one.max.cgroup_tasks.max(shared.cgroup_tasks),
                slots,
                ..one.max
            },
            ..one
        }
    }

    /// The plan of the zygote that is asked for first, as far as it is known.
    pub(super) fn first(&self, floor: &Floor) -> Option<ZygotePlan> {
        self.first.as_ref().map(|first| plan::zygote_of(&first.limits, first.uses, first.slots, &floor.walls))
    }

    /// Of a doctor that tries walls by native code alone.
    pub fn of_doctor() -> Self {
        Self {
            user: User::Auto,
            may_miss: Walls::new(),
            probes: Some(Walls::new()),
            max: MaxLimits {
                zygotes: zygotes(&ChildQuota::default()),
                ..plan::max_limits(&Limits::default(), &CompileLimits::default(), compiler_threads_max(), None)
            },
            daemon: false,
            first: None,
        }
    }

    /// Of a daemon: its jobs come later, each within what any job may have.
    pub fn of_daemon(may_miss: Walls) -> Self {
        let limits = Limits {
            memory_bytes: MEMORY_MAX,
            max_file_bytes: u64::MAX,
            max_files: FILES_MAX,
            cpu: None,
            serving: Some(Serving::MOST),
            ..Limits::default()
        };
        let compile = CompileLimits { memory_bytes: MEMORY_MAX, ..CompileLimits::default() };
        let alone = plan::max_limits(&limits, &compile, compiler_threads_max(), Some(MEMORY_MAX));
        // Instances of a job may share a zygote.
        let shared = plan::pool_zygote(&limits, Uses::default(), limits::SLOTS, &Walls::new());
        let max = MaxLimits {
            zygotes: limits::PROCESSES,
            slots: limits::SLOTS,
            cgroup_memory_bytes: alone.cgroup_memory_bytes.max(shared.cgroup_memory_bytes),
            cgroup_tasks: alone.cgroup_tasks.max(shared.cgroup_tasks),
            ..alone
        };
        Self { user: User::Auto, may_miss, probes: None, max, daemon: true, first: None }
    }

    /// As the spawner is to hold them. `cgroups`: some were handed over to somebody who is not root.
    pub(super) fn floor(&self, root: bool, cgroups: bool) -> Floor {
        Floor {
            walls: standing(root, cgroups),
            may_miss: self.may_miss.clone(),
            probes: self.probes.clone(),
            max: self.max,
            daemon: self.daemon,
        }
    }
}

/// Each attempt of a tree may have a compiler beside it, and one that has ended is still there for a moment.
fn zygotes(quota: &ChildQuota) -> usize {
    (quota.alive as usize).saturating_add(2).saturating_mul(4).max(64)
}

#[cfg(test)]
mod tests {
    use super::super::processors::compiler_threads;
    use super::*;
    use sandhog_protocol::plan::{Program, WorkerPlan};
    use sandhog_spec::job::{Settings, Surroundings};
    use sandhog_spec::units::{Size, Time};

    fn job(settings: Settings) -> Job {
        let settings = Settings { module: "a.wasm".into(), ..settings };
        Job::new(settings, Surroundings { is_root: true, variable: &|_| None }).unwrap()
    }

    fn compiler(job: &Job, walls: &Walls) -> (ZygotePlan, WorkerPlan) {
        (plan::compiler_zygote(&job.compile, compiler_threads(), walls), plan::compiler_worker(&job.compile))
    }

    fn is_admitted(floor: &Floor, job: &Job) -> bool {
        let walls = standing(true, false);
        let memory = job.object_quota.memory_bytes;
        let keeper = (plan::keeper_zygote(memory, &walls), plan::keeper_worker(memory));
        let plans: [(ZygotePlan, WorkerPlan); 3] = [
            if job.has_objects() { keeper } else { compiler(job, &walls) },
            (plan::guest_zygote(&job.limits, job.uses(), &walls), plan::guest_worker(job, true)),
            compiler(job, &walls),
        ];
        plans.iter().all(|(zygote, worker)| {
            floor.allows_zygote(zygote, &Walls::new()).is_ok() && floor.allows_worker(zygote, worker).is_ok()
        })
    }

    #[test]
    fn each_command_can_do_its_own_job_and_no_larger_one() {
        let small = || Settings {
            memory: Some(Size::bytes(64 << 10)),
            max_file: Some(Size::bytes(1)),
            max_files: Some(1),
            cpu: Some(Time::millis(1)),
            compile_timeout: Some(Time::millis(1)),
            compile_memory: Some(Size::bytes(16 << 20)),
            ..Settings::default()
        };
        let changes: [fn(&mut Settings); 7] = [
            |settings| (settings.max_objects, settings.objects_memory) = (Some(1), Some(Size::bytes(9 << 30))),
            |settings| settings.memory = Some(Size::bytes(3 << 30)),
            |settings| settings.max_file = Some(Size::bytes(u64::MAX)),
            |settings| settings.max_files = Some(1000),
            |settings| settings.cpu = None,
            |settings| settings.cpu = Some(Time::millis(1_000_000)),
            |settings| settings.compile_memory = Some(Size::bytes(8 << 30)),
        ];
        let floor = Terms::of(&job(small())).floor(true, false);
        assert!(is_admitted(&floor, &job(small())));
        for change in changes {
            let mut settings = small();
            change(&mut settings);
            let larger = job(settings);
            assert!(!is_admitted(&floor, &larger), "{larger:?}");
            assert!(is_admitted(&Terms::of(&larger).floor(true, false), &larger), "{larger:?}");
        }
    }

    #[test]
    fn a_daemon_can_do_every_job() {
        let largest = job(Settings {
            memory: Some(Size::bytes(MEMORY_MAX)),
            max_file: Some(Size::bytes(u64::MAX)),
            max_files: Some(FILES_MAX.into()),
            compile_memory: Some(Size::bytes(MEMORY_MAX)),
            compile_timeout: Some(Time::millis(1000 << 40)),
            max_objects: Some(1),
            objects_memory: Some(Size::bytes(MEMORY_MAX)),
            ..Settings::default()
        });
        assert!(is_admitted(&Terms::of_daemon(Walls::new()).floor(true, false), &largest));
        assert!(is_admitted(&Terms::of_daemon(Walls::new()).floor(true, false), &job(Settings::default())));
    }

    #[test]
    fn only_the_doctor_has_native_code() {
        let native = |terms: &Terms| {
            let job = job(Settings::default());
            let plan = plan::guest_zygote(&job.limits, Uses::default(), &standing(true, false));
            let plan = ZygotePlan { program: Program::Probe, ..plan };
            terms.floor(true, false).allows_zygote(&plan, &Walls::new()).is_ok()
        };
        assert!(native(&Terms::of_doctor()));
        assert!(!native(&Terms::of(&job(Settings::default()))) && !native(&Terms::of_daemon(Walls::new())));
    }
}
