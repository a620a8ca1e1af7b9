//! The thread that does what takes long on purpose, as hashing a password does, for all shards: one, so that a flood of passwords
//! takes no more than one CPU.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender};

use super::shared::Shared;
use crate::auth::{Denial, Job, Step};
use crate::router::{ConnId, ShardId};
use crate::wamp::error_uri;

/// A job for a connection.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shard: ShardId,
    pub(super) conn: ConnId,
    pub(super) job: Job,
}

/// What has come of it.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) conn: ConnId,
    pub(super) step: Step,
}

/// A shard's way to the thread and back.
#[derive(Debug)]
pub(super) struct Verifying {
    tasks: Sender<Task>,
    verdicts: Receiver<Verdict>,
    /// A task is under way; a shard has one at a time.
    pub(super) is_busy: bool,
}

impl Verifying {
    /// Hands a task over. If the thread has ended, as it does last of all, nothing comes of it.
    pub(super) fn begin(&mut self, task: Task) {
        self.is_busy = self.tasks.send(task).is_ok();
    }

    /// What has come of the task, if it is done.
    pub(super) fn end(&mut self) -> Option<Verdict> {
        let verdict = self.verdicts.try_recv().ok()?;
        self.is_busy = false;
        Some(verdict)
    }

    /// Whether the task is done.
    pub(super) fn is_done(&self) -> bool {
        self.is_busy && !self.verdicts.is_empty()
    }
}

/// The thread, before it runs.
#[derive(Debug)]
pub(super) struct Verifier {
    tasks: Receiver<Task>,
    /// By shard.
    verdicts: Vec<Sender<Verdict>>,
}

impl Verifier {
    /// With the ends of so many shards.
    pub(super) fn new(shards: usize) -> (Verifier, Vec<Verifying>) {
        let (sender, tasks) = crossbeam_channel::unbounded();
        let end = |_| {
            let (verdict, verdicts) = crossbeam_channel::unbounded();
            (verdict, Verifying { tasks: sender.clone(), verdicts, is_busy: false })
        };
        let (verdicts, ends) = (0..shards).map(end).unzip();
        (Verifier { tasks, verdicts }, ends)
    }

    /// Runs until the shards have gone.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(self, shared: Arc<Shared>) -> io::Result<()> {
        thread::Builder::new().name("verify".to_owned()).spawn(move || {
            for Task { shard, conn, job } in self.tasks {
                let shard = usize::from(shard.0);
                // A shard that has gone needs no verdict.
                let _ = self.verdicts[shard].send(Verdict { conn, step: run(job) });
                shared.bells[shard].ring();
            }
        })?;
        Ok(())
    }
}

/// A job may be an embedder's. If it panics, its client is not let in, and the others' jobs are done all the same.
fn run(job: Job) -> Step {
    catch_unwind(AssertUnwindSafe(|| job.run())).unwrap_or_else(|_| {
        tracing::error!("a job of an authenticator has panicked");
        let text = "the router could not verify this".to_owned();
        Step::Deny(Denial { error: error_uri::AUTHENTICATION_FAILED, text, scram: None })
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_job_that_panics_lets_nobody_in_and_holds_up_nobody() {
        let (verifier, ends) = Verifier::new(2);
        verifier.start(Arc::new(Shared::new(2, &Limits::default(), None).0)).expect("a thread");
        let jobs = [Job::new(|| panic!("it was meant to")), Job::new(|| Step::Deny(Denial::wrong()))];
        let errors = (0..).map(ShardId).zip(ends).zip(jobs).map(|((shard, mut end), job)| {
            end.begin(Task { shard, conn: ConnId::default(), job });
            let verdict = end.verdicts.recv_timeout(Duration::from_secs(20)).expect("a verdict");
            let Step::Deny(denial) = verdict.step else { panic!("{verdict:?}") };
            denial.error
        });
        assert_eq!(Vec::from_iter(errors), [error_uri::AUTHENTICATION_FAILED, Denial::wrong().error]);
    }
}
