//! Examples under the help of the verbs that concern jobs which are kept up.

pub(super) const OBJECTS: &str = "\
Examples:
  sandhog objects         locks, queues, memory, … of all groups, with holders and waiters
  sandhog objects --json  the same as a JSON array

A job has the objects that it was granted: objects = [\"tasks: queue(100) put\"] in a manifest, or
--object. An object without a name is shown by its number. sandhog events names jobs that wait for
each other's locks (deadlock).";

pub(super) const UP: &str = "\
Examples:
  sandhog up                    the jobs of ./sandhog.toml: start, change, delete what differs
  sandhog up shop/sandhog.toml  another manifest
  sandhog up --dry-run          what would change; nothing is touched, and no daemon is started
  sandhog up --no-wait          do not wait until they are ready
  sandhog up --profile production
                                with the settings of [profile.production]
  sandhog up --watch            while you work on a job: reload it whenever its module has changed

Where no daemon runs, one is started in the background; it goes on when this command ends.
A job that runs with other settings is reloaded: its new instance is ready before the old one goes.
The exit code is 0 when all are ready, 1 when one is not.
Ctrl-C ends the waiting, or the watching, and not the jobs.

A profile holds for this up. Jobs that are restarted or reloaded keep it; the next up takes the one
that it is given, or none. sandhog show JOB tells the profile.

With --watch, a job is reloaded 200ms after the last change to its module, to its children's modules
or to its health check's module. The old instance stays if the new one does not become ready. A
manifest that has changed is brought up as a whole; a manifest with an error changes nothing.
Granted directories are not watched. A job that you have stopped stays stopped.";

pub(super) const DOWN: &str = "\
Examples:
  sandhog down               stop and delete the jobs of ./sandhog.toml, dependents first
  sandhog down web worker    stop and delete these
  sandhog down all           stop and delete all jobs, whichever manifest they are from
  sandhog down --daemon      stop all and end the daemon: what was up is up again when one starts
  sandhog down all --daemon  delete all jobs and end the daemon

A word that ends in .toml, is a file here, or has a slash (but for NAME/INSTANCE) is a manifest.";

pub(super) const START: &str = "\
Examples:
  sandhog start web.wasm                               keep it up, under the name web
  sandhog start web.wasm --name shop -i 4 --env MODE=fast -- --port-name main
  sandhog start web.wasm --dir /srv/data::/data:rw --memory 64MiB --restart always
  sandhog start backup.wasm --schedule '0 3 * * *' --time-zone Europe/Berlin
  sandhog start web                                    start a job that was stopped, or has failed
  sandhog start backup                                 run a job with a schedule now, out of turn
  sandhog start all                                    start what is down; runs nothing out of turn

A word that ends in .wasm or .wat, is a file here, or has a slash (but for NAME/INSTANCE) is a
module, and then a new job is made. All others name jobs that are there. The words behind -- go to
the guest. A new job stays until sandhog delete, also when the daemon is started anew.

A job with a schedule that is named runs now: its rule for runs that meet (--overlap) holds, and its
schedule goes on. One that was stopped, or is meant by its group or all, only waits for its time.
A job without an instance (sandhog scale web 0) gets one.";

pub(super) const STOP: &str = "\
Examples:
  sandhog stop web            ask it to end; after its grace (5s) it is killed
  sandhog stop web/2 17       one instance, and the one with the id 17
  sandhog stop all --no-wait  do not wait until they have ended

They stay on the list: sandhog start NAME starts them again, sandhog delete NAME forgets them.";

pub(super) const RESTART: &str = "\
Examples:
  sandhog restart web    stop it and start it again
  sandhog restart all

For a moment no instance runs; sandhog reload has no such gap. A job with a schedule does not run
now: its run ends, if there is one, and it waits for its time.";

pub(super) const RELOAD: &str = "\
Examples:
  sandhog reload web     replace its instances one at a time
  sandhog reload all

The old instance goes when the new one is ready. Where the new one does not become ready, the old
one stays, the command fails, and says why.";

pub(super) const DELETE: &str = "\
Examples:
  sandhog delete web     stop it and forget it
  sandhog delete all";

pub(super) const SCALE: &str = "\
Examples:
  sandhog scale web 4    give it four instances, and start all four
  sandhog scale web 0    give it none, and keep the job: sandhog start web brings it up again

Instances that were stopped, have failed or have done their work are started. sandhog up brings a
job back to what its manifest says.";

pub(super) const PS: &str = "\
Examples:
  sandhog ps             all jobs, an instance a line
  sandhog ps web         the instances of one
  sandhog ps --json      a JSON array, for scripts
  watch -n1 sandhog ps   again each second; sandhog monit shows more

STATE is what it does now, LAST how its last attempt ended.";

pub(super) const SHOW: &str = "\
Examples:
  sandhog show web       its settings with their defaults, its instances, its last ends
  sandhog show web --json";

pub(super) const LOGS: &str = "\
Examples:
  sandhog logs           the last 20 lines of all jobs
  sandhog logs web -f    those of web, and what it writes from now on
  sandhog logs -n 500 --json | jq -r .text

Control characters are written out, such as \\u{1b}; --json has the text as it was written.
On a terminal the times are those of this machine's clock; else UTC.";

pub(super) const EVENTS: &str = "\
Examples:
  sandhog events         the last 20: starts, ends, restarts, failures
  sandhog events web -f  those of web, and what happens from now on
  sandhog events --json -f | while read -r event; do …; done";

pub(super) const MONIT: &str = "\
Examples:
  sandhog monit          all jobs: state, CPU and memory over time, and the log of the selected one
  sandhog monit web

Keys: up, down, j, k select · s stop · r restart · l reload · x delete · f follow the log · ? help
      q quit";

pub(super) const SEND: &str = "\
Examples:
  sandhog send web '{\"do\": \"flush\"}'      to each instance of web
  sandhog send web/0 '\"status\"' --wait 2s  and print what it sends next

The message is JSON, as a line of --ipc; a text stands in quotes.";

pub(super) const SIGNAL: &str = "\
Examples:
  sandhog signal web STOP   halt it; health checks and heartbeats are suspended meanwhile
  sandhog signal web CONT   let it go on
  sandhog signal web KILL   end it at once; its restart rule says whether it is started again";

pub(super) const CHECK: &str = "\
Examples:
  sandhog check                   ./sandhog.toml: is it right, and what does it come to?
  sandhog check shop/sandhog.toml
  sandhog check --profile production   with the settings of [profile.production]
  sandhog check --json

Nothing is started, and no daemon is needed. All profiles are checked. The files of a profile have
to exist only if it is chosen.";

pub(super) const SCHEMA: &str = "\
Examples:
  sandhog schema > sandhog.schema.json     the JSON schema (2020-12) of sandhog.toml
  sandhog schema --reference               every key: what it takes, its default, its flag
  sandhog schema --sample > sandhog.toml   a manifest to begin with
  sandhog schema --man > sandhog.toml.5    a manual page: man ./sandhog.toml.5

An editor with Taplo (Even Better TOML) checks and completes a manifest that begins with this line:
  #:schema ./sandhog.schema.json";

pub(super) const DAEMON: &str = "\
Examples:
  sandhog daemon         until Ctrl-C or SIGTERM, which stops all jobs; a second one does so at once
  sandhog startup        a systemd unit for it
  sandhog daemon --allow-missing cgroup
                         jobs that say so (allow_missing) run where no cgroup can be made

sandhog up and sandhog start start one in the background where none runs.
What was up when the last daemon ended, or was killed, is up again.

Environment:
  SANDHOG_STATE_DIR      jobs and logs [default: ~/.local/state/sandhog; root: /var/lib/sandhog]
  SANDHOG_RUNTIME_DIR    its socket [default: $XDG_RUNTIME_DIR/sandhog; root: /run/sandhog]
  SANDHOG_CACHE_DIR      compiled modules [default: ~/.cache/sandhog; root: /var/cache/sandhog]";

pub(super) const STARTUP: &str = "\
Examples:
  sandhog startup | sudo tee /etc/systemd/system/sandhog.service
  sudo systemctl enable --now sandhog

  sandhog startup --user > ~/.config/systemd/user/sandhog.service
  systemctl --user enable --now sandhog

The unit is as hardened as the daemon's own walls allow. Its comments say why, and what to do first.";
