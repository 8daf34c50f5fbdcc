//! What this machine has for tasks.

use std::{env, path::Path, thread};

use function_runner_core::Capacity;
use sysinfo::{Disks, Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// Measures what this machine has for tasks, as far as this process may use it.
///
/// Threads and memory are bounded by the control groups of the process, disk is what is free where temporary files
/// are made, and GPUs are counted where the cargo feature `nvidia` is on and NVIDIA's driver is there. Places for
/// bodies that only wait are 64.
///
/// # Examples
///
/// ```
/// let machine = function_runner_client::capacity::measure();
/// println!("{machine}"); // 2 cores, 23.5 GiB memory, 70 GiB disk, 64 slots
/// # assert!(machine.cpu_millis >= 1000 && machine.memory_mib > 0);
/// ```
#[must_use]
pub fn measure() -> Capacity {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let machine = Capacity::new()
        .cpu_millis(threads * 1000)
        .memory_mib(mib(memory_bytes()))
        .disk_mib(mib(free_bytes_at(&env::temp_dir())));
    gpu_bytes().into_iter().fold(machine, |machine, bytes| machine.gpu(mib(bytes)))
}

const fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// The machine's memory, or what the process's control group may use of it; 0 where neither can be read.
fn memory_bytes() -> u64 {
    let Ok(mut system) = System::new() else { return 0 };
    system.refresh_memory();
    let pid = sysinfo::get_current_pid().ok();
    if let Some(pid) = pid {
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[pid]),
            false,
            ProcessRefreshKind::nothing(),
        );
    }
    let own = pid.and_then(|pid| system.process(pid)).and_then(Process::cgroup_limits);
    let limits = [own, system.cgroup_limits()].into_iter().flatten().map(|limits| limits.total_memory);
    limits.filter(|&bytes| bytes > 0).fold(system.total_memory(), u64::min)
}

/// How much is free on the disk that holds this folder; 0 where that cannot be told.
fn free_bytes_at(folder: &Path) -> u64 {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let Ok(disks) = Disks::new_with_refreshed_list() else { return 0 };
    let holds = disks.iter().filter(|disk| folder.starts_with(disk.mount_point()));
    holds.max_by_key(|disk| disk.mount_point().components().count()).map_or(0, sysinfo::Disk::available_space)
}

/// The memory of each GPU; none where there is no driver, which is no fault.
#[cfg(feature = "nvidia")]
fn gpu_bytes() -> Vec<u64> {
    let Ok(nvml) = nvml_wrapper::Nvml::init() else { return Vec::new() };
    let count = nvml.device_count().unwrap_or(0);
    let memory = |index| nvml.device_by_index(index).and_then(|device| device.memory_info());
    (0..count).filter_map(|index| memory(index).ok()).map(|memory| memory.total).collect()
}

#[cfg(not(feature = "nvidia"))]
const fn gpu_bytes() -> Vec<u64> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_something_and_no_faults() {
        let machine = measure();
        assert!(machine.cpu_millis >= 1000 && machine.memory_mib >= 64 && machine.disk_mib > 0, "{machine}");
        assert!(machine.faults().is_empty(), "{:?}", machine.faults());
    }

    #[test]
    fn a_folder_that_is_not_there_is_on_the_disk_of_its_parents() {
        let missing = env::temp_dir().join("there-is-no-such-folder/inside");
        assert!(free_bytes_at(&missing) > 0);
        assert_eq!(free_bytes_at(Path::new("nowhere")), 0);
    }
}
