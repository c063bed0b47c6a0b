//! A process held to the share of a CPU that a function of 128 MB has.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// The period in which Lambda is reported to account.
const PERIOD: Duration = Duration::from_millis(20);

/// What 128 MB get of it: a whole CPU is 1,769 MB.
const QUOTA: Duration = Duration::from_micros(1450);

/// The rest of it.
const REST: Duration = PERIOD.saturating_sub(QUOTA);

/// Holds one process, which must outlive it.
pub enum CpuQuota {
    /// By a control group of the system: its folder, and the process.
    Group(PathBuf, u32),
    /// By stopping and continuing it.
    Signals(Arc<AtomicBool>, Option<JoinHandle<()>>),
}

impl CpuQuota {
    /// Holds a process from now on.
    pub fn hold(process: u32) -> Self {
        group(process).map_or_else(|_| signals(process), |folder| Self::Group(folder, process))
    }

    /// How it is held, in words.
    pub fn how(&self) -> &'static str {
        match self {
            Self::Group(..) => "a control group's quota",
            Self::Signals(..) => "SIGSTOP and SIGCONT in turn, as this machine has no control group to write to",
        }
    }
}

impl Drop for CpuQuota {
    fn drop(&mut self) {
        match self {
            Self::Group(folder, process) => {
                // A group can be removed when nothing is in it.
                let _ = fs::write(folder.with_file_name("cgroup.procs"), process.to_string());
                let _ = fs::remove_dir(folder);
            }
            Self::Signals(over, thread) => {
                over.store(true, Ordering::Relaxed);
                thread.take().map(JoinHandle::join);
            }
        }
    }
}

/// Puts the process into a control group of its own.
fn group(process: u32) -> io::Result<PathBuf> {
    let (period, quota) = (PERIOD.as_micros(), QUOTA.as_micros());
    let root = Path::new("/sys/fs/cgroup");
    let second = root.join("cgroup.controllers").exists();
    let folder = root.join(if second { "" } else { "cpu" }).join(format!("nic53-bench-{process}"));
    if second {
        fs::write(root.join("cgroup.subtree_control"), "+cpu")?;
    }
    fs::create_dir(&folder)?;
    let limits = if second {
        vec![("cpu.max", format!("{quota} {period}"))]
    } else {
        vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
    };
    let held = limits
        .into_iter()
        .chain([("cgroup.procs", process.to_string())])
        .try_for_each(|(file, text)| fs::write(folder.join(file), text));
    held.inspect_err(|_| drop(fs::remove_dir(&folder)))?;
    Ok(folder)
}

/// Lets the process run for its share of each period only.
fn signals(process: u32) -> CpuQuota {
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let thread = thread::spawn(move || {
        let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process");
        while !until.load(Ordering::Relaxed) {
            let _ = kill_process(process, Signal::CONT);
            thread::sleep(QUOTA);
            let _ = kill_process(process, Signal::STOP);
            thread::sleep(REST);
        }
        let _ = kill_process(process, Signal::CONT);
    });
    CpuQuota::Signals(over, Some(thread))
}
