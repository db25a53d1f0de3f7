//! What processes have used, as the kernel counts it in `/proc`.

use std::{collections::HashMap, fs, time::Duration};

use anyhow::Context as _;

/// Ticks per second of the times in `/proc/<pid>/stat`: `USER_HZ`, 100 on every Linux this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

struct ProcessStat {
    parent: u32,
    /// User and system time of the process and of the children it has waited for, in ticks.
    ticks: u64,
}

/// CPU seconds of these processes and all that descend from them, those that have ended included.
pub(crate) fn cpu_seconds(roots: &[u32]) -> anyhow::Result<f64> {
    let mut stats = HashMap::new();
    for entry in fs::read_dir("/proc").context("read /proc")? {
        let name = entry.context("read /proc")?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end between the listing and the look.
        if let Some(stat) = stat(pid) {
            stats.insert(pid, stat);
        }
    }
    let belongs = |mut pid: u32| {
        loop {
            if roots.contains(&pid) {
                return true;
            }
            match stats.get(&pid) {
                Some(stat) if stat.parent != 0 => pid = stat.parent,
                _ => return false,
            }
        }
    };
    let ticks: u64 = stats
        .iter()
        .filter(|(pid, _)| belongs(**pid))
        .map(|(_, stat)| stat.ticks)
        .sum();
    Ok(ticks as f64 / TICKS_PER_SECOND)
}

/// Fields 4 (parent) and 14 to 17 (times) of `/proc/<pid>/stat`; the second is a name in parentheses.
fn stat(pid: u32) -> Option<ProcessStat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(ProcessStat {
        parent: u32::try_from(number(4)?).ok()?,
        ticks: number(14)? + number(15)? + number(16)? + number(17)?,
    })
}

/// Resident memory of a process in megabytes (10^6 bytes): now, and the most it ever had.
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} has ended"))?;
    let field = |name: &str| -> Option<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024.0 / 1e6)
    };
    let now = field("VmRSS:").context("no VmRSS")?;
    Ok((now, field("VmHWM:").unwrap_or(now)))
}

/// Waits until a process is in a state such as `T`, stopped.
pub(crate) fn await_state(pid: u32, state: char) -> anyhow::Result<()> {
    let begin = std::time::Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} has ended"))?;
        if text
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with(state))
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    anyhow::bail!("process {pid} is not in state {state}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_process_shows_in_its_time_and_memory() {
        let own = std::process::id();
        let before = cpu_seconds(&[own]).unwrap();
        let begin = std::time::Instant::now();
        let mut sum = 0_u64;
        while cpu_seconds(&[own]).unwrap() < before + 0.05 {
            assert!(begin.elapsed().as_secs() < 30, "no time is counted");
            sum = std::hint::black_box((0..100_000_u64).fold(sum, |sum, number| sum ^ number));
        }
        let (now, most) = resident_mb(own).unwrap();
        assert!(now > 0.5 && most >= now * 0.5, "{now} {most} {sum}");
    }

    #[test]
    fn a_child_that_has_ended_is_counted_with_its_parent() {
        let own = std::process::id();
        let before = cpu_seconds(&[own]).unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(
            std::process::Command::new("sh")
                .args(["-c", script])
                .status()
                .unwrap()
                .success()
        );
        assert!(cpu_seconds(&[own]).unwrap() > before + 0.02);
    }
}
