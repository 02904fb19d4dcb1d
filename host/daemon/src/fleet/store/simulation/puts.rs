//! Changes of chance, of what there is.

use super::asked::Put;
use super::world::World;
use crate::fleet::store::rows::InstanceRow;
use sandhog_protocol::control::{EndedAttempt, GroupSpec, JobSpec};
use sandhog_protocol::verdict::{Usage, Verdict};
use sandhog_runtime::granted::{FileId, Record, WasWritable};

const JOBS: [&str; 3] = ["a", "b", "c"];

impl World {
    pub(super) fn put(&mut self) -> Put {
        self.moment += 1;
        let (rng, moment) = (self.rng.clone(), self.moment);
        let name = JOBS[rng.below(3) as usize].to_owned();
        let has_job = self.asked.now().has_job(&name);
        match rng.below(14) {
            0 => Put::Group(GroupSpec { name, strategy: rng.one_in(2).then(|| "one-for-all".into()) }),
            1 => Put::NoGroup(name),
            2 => Put::NoJob(name),
            3 if has_job => Put::Granted { job: name, record: Record { settled: moment, ..Record::default() } },
            4 => {
                Put::Writable(WasWritable { path: name, id: FileId { device: 1, inode: rng.below(9) }, until: moment })
            }
            5 => Put::NotWritable(name),
            6 if has_job => Put::Due { job: name, at_ms: moment },
            7..=9 if has_job => self.put_instance(name),
            10 => self.put_end().unwrap_or(Put::Alive(moment)),
            11 => self.delete_instance().unwrap_or(Put::Alive(moment)),
            12 => Put::Alive(moment),
            _ => self.put_job(name),
        }
    }

    fn put_job(&self, name: String) -> Put {
        let size = [0, 100, 3000, 20_000][self.rng.below(4) as usize];
        let args = vec!["x".repeat(size)];
        let spec = Box::new(JobSpec { name, module: "/m/a.wasm".into(), args, ..JobSpec::default() });
        let order = self.rng.below(3);
        // Two states that are not the same can be told apart.
        let source = (order > 0).then(|| format!("/p/{order}.toml"));
        Put::Job { spec, source, order }
    }

    /// A new one, where there is an id, or one that is there.
    fn put_instance(&mut self, job: String) -> Put {
        let (rng, moment) = (self.rng.clone(), self.moment);
        let known = rng.pick(self.asked.now().instances()).filter(|_| rng.one_in(2));
        let (job, id) = match known {
            Some((job, row, _)) => (job, row.id),
            None => match self.free.pop() {
                Some(id) => (job, id),
                None => return Put::Alive(moment),
            },
        };
        let attempt = rng.one_in(2).then(|| format!("attempt-{moment}"));
        let failed = rng.one_in(4).then(|| "5 restarts in 60s".into());
        let finished = failed.is_none() && rng.one_in(4);
        let wanted = rng.one_in(2);
        let row = InstanceRow { id, instance: 0, wanted, failed, finished, attempt, restarts: moment };
        Put::Instance { job, row }
    }

    fn put_end(&self) -> Option<Put> {
        let (_, row, _) = self.rng.pick(self.asked.now().instances())?;
        let ended = EndedAttempt {
            attempt: format!("attempt-{}", self.moment),
            at_ms: self.moment,
            text: "it ran longer than 30s".into(),
            code: 124,
            verdict: Verdict::Deadline { limit: "30s".into() },
            usage: Usage::default(),
        };
        Some(Put::Ended { id: row.id, ended })
    }

    fn delete_instance(&self) -> Option<Put> {
        Some(Put::NoInstance(self.rng.pick(self.asked.now().instances())?.1.id))
    }
}
