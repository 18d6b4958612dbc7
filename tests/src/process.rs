//! What the operating system knows of a process, and the signals that a process gets.

use std::{fs, time::Duration};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};

/// Clock ticks per second in `/proc`, on every Linux.
const TICKS: u32 = 100;

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    kill_process(to_pid(pid), signal).expect("the process is still running");
}

/// Sends a signal to a process group, which may be gone.
pub fn signal_group(leader: u32, signal: Signal) {
    let _gone = kill_process_group(to_pid(leader), signal);
}

fn to_pid(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).expect("a process id")
}

/// The resident memory of a process in KiB.
pub fn resident_kib(pid: u32) -> u32 {
    status_kib(pid, "VmRSS:")
}

/// The largest resident memory that a process ever had, in KiB.
pub fn peak_kib(pid: u32) -> u32 {
    status_kib(pid, "VmHWM:")
}

fn status_kib(pid: u32, name: &str) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How many files and sockets a process has open.
pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// The processor time that a process has used, its own and the kernel's on its behalf.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The program's name is in brackets and may contain blanks. `utime` and `stime` are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u32>().unwrap());
    Duration::from_secs(1) * ticks.sum::<u32>() / TICKS
}
