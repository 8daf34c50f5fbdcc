//! The pool, a test for each sentence of its contract.

use super::*;

fn lane(name: &str) -> Lane {
    format!("{name}@1.0:high").parse().unwrap()
}

fn needs() -> ResourceRequirement {
    ResourceRequirement::new()
}

fn gpu(mib: u64) -> ResourceRequirement {
    needs().gpu_memory_mib(mib)
}

/// A model of this size on a GPU, and what each task takes beside it.
fn model(shared: u64, each: u64) -> ResourceRequirement {
    gpu(each).shared(gpu(shared))
}

fn pool(gpus: &[u64]) -> Pool {
    Pool::new(gpus.iter().fold(Capacity::new().cpu_millis(4000).memory_mib(1000), |all, &gpu| all.gpu(gpu)))
}

impl Pool {
    /// Takes, and expects the GPUs it goes to and the lanes that were evicted.
    #[track_caller]
    fn goes(&mut self, name: &str, needs: &ResourceRequirement, gpus: &[usize], evicted: &[&str]) -> Grant {
        let (grant, gone) = self.take(&lane(name), needs).expect("it fits");
        assert_eq!((&grant.gpus[..], gone), (gpus, evicted.iter().map(|name| lane(name)).collect()));
        grant
    }
}

#[test]
fn a_task_goes_to_the_first_alternative_that_fits() {
    let mut pool = pool(&[10]);
    let either = gpu(8).or(needs().cpu_millis(3000)).or(needs().cpu_millis(500));
    assert_eq!(pool.how_many(&lane("a"), &either), 4);
    assert_eq!(pool.goes("a", &either, &[0], &[]).option, 0);
    let second = pool.goes("a", &either, &[], &[]);
    assert_eq!((second.option, second.amounts.cpu_millis), (1, 3000));
    assert_eq!(pool.how_many(&lane("a"), &either), 2);
    assert_eq!(pool.goes("a", &either, &[], &[]).option, 2);
    assert_eq!(pool.how_many_at_all(&lane("a"), &either), 4);
}

#[test]
fn a_part_comes_from_the_fullest_gpu_that_still_has_it() {
    let mut pool = pool(&[30, 10, 20]);
    pool.goes("a", &gpu(15), &[2], &[]);
    pool.goes("a", &gpu(4), &[2], &[]);
    pool.goes("a", &gpu(4), &[1], &[]);
    pool.goes("a", &gpu(7), &[0], &[]);
    assert_eq!((pool.free().gpu_memory_mib, pool.free().gpus), (23, 0));
}

#[test]
fn whole_gpus_are_the_smallest_vacant_ones_and_nothing_else_is_on_them() {
    let mut pool = pool(&[30, 10, 20, 40]);
    let part = pool.goes("a", &gpu(1), &[1], &[]);
    let two = pool.goes("b", &gpu(5).gpus(2), &[0, 2], &[]);
    assert_eq!((pool.load().gpus, pool.load().gpu_memory_mib), (2, 51));
    assert_eq!(pool.how_many(&lane("a"), &gpu(20)), 2, "both on the one that is vacant");
    pool.goes("b", &gpu(1).gpus(1), &[3], &[]);
    assert_eq!(pool.how_many(&lane("a"), &gpu(1)), 9, "those on the first part's GPU");
    assert_eq!(pool.how_many(&lane("b"), &needs().gpus(1)), 0);
    pool.give(&lane("a"), &part);
    pool.give(&lane("b"), &two);
    assert_eq!(pool.how_many(&lane("b"), &needs().gpus(1)), 3);
    assert_eq!(pool.how_many(&lane("b"), &gpu(25).gpus(1)), 1);
}

#[test]
fn a_shared_part_is_held_once_and_stays_warm() {
    let mut pool = pool(&[20]);
    let needs = model(8, 3);
    assert_eq!(pool.how_many(&lane("a"), &needs), 4);
    let first = pool.goes("a", &needs, &[0], &[]);
    let twin = lane("a").twin();
    assert!(pool.is_warm(&lane("a")) && pool.is_warm(&twin) && !pool.is_warm(&lane("b")));
    assert_eq!(pool.how_many(&twin, &needs), 3, "a twin shares with its lane");
    let (second, _) = pool.take(&twin, &needs).unwrap();
    assert_eq!(pool.load().gpu_memory_mib, 14);
    pool.give(&lane("a"), &first);
    pool.unload(&lane("a"));
    assert!(pool.is_warm(&lane("a")), "its twin's task still has it");
    pool.give(&twin, &second);
    assert_eq!((pool.load().gpu_memory_mib, pool.free().gpu_memory_mib), (0, 20));
    assert!(pool.is_warm(&lane("a")));
    pool.unload(&lane("a"));
    assert!(!pool.is_warm(&lane("a")));
}

#[test]
fn a_model_is_loaded_where_most_of_its_tasks_fit_and_they_run_there() {
    let mut pool = pool(&[12, 24, 24]);
    pool.goes("other", &gpu(13), &[1], &[]);
    let needs = model(8, 2);
    pool.goes("a", &needs, &[2], &[]);
    assert_eq!(pool.how_many(&lane("a"), &needs), 7);
    let few = model(8, 2).cpu_millis(4000);
    pool.goes("b", &few, &[1], &[]);
    assert_eq!(pool.how_many(&lane("b"), &few), 0, "one, as there are no more cores: so on the fullest GPU");
}

#[test]
fn idle_parts_leave_only_where_needed_and_the_least_recently_used_first() {
    let mut pool = pool(&[30]);
    let grants = ["a", "b", "c"].map(|name| (name, pool.goes(name, &model(7, 1), &[0], &[])));
    for name in [1, 0, 2] {
        pool.give(&lane(grants[name].0), &grants[name].1);
    }
    assert_eq!(pool.how_many(&lane("d"), &model(7, 1)), 23);
    pool.goes("d", &model(7, 1), &[0], &[]);
    pool.goes("e", &model(7, 1), &[0], &["b"]);
    pool.goes("f", &gpu(14), &[0], &["a", "c"]);
    assert!(pool.is_warm(&lane("d")) && !pool.is_warm(&lane("a")));
    assert!(pool.take(&lane("f"), &gpu(1)).is_none(), "those in use stay");
}

#[test]
fn idle_parts_of_others_count_as_free_in_every_resource() {
    let mut pool = Pool::new(Capacity::new().memory_mib(1000).custom("licence", 3));
    let shared = needs().memory_mib(800).custom("licence", 2);
    let needs = needs().memory_mib(10).custom("licence", 1);
    let with_model = needs.clone().shared(shared);
    let grant = pool.goes("a", &with_model, &[], &[]);
    assert_eq!(pool.how_many(&lane("b"), &needs), 0);
    pool.give(&lane("a"), &grant);
    assert_eq!(pool.how_many(&lane("b"), &needs), 3);
    assert_eq!(pool.how_many(&lane("a"), &with_model), 1, "its own is there and stays");
    pool.goes("b", &needs, &[], &[]);
    pool.goes("b", &needs, &[], &["a"]);
}

#[test]
fn an_older_idle_part_that_frees_nothing_needed_stays() {
    let mut pool = pool(&[10]);
    let in_memory = needs().shared(needs().memory_mib(900));
    for (name, needs, gpus) in [("old", &in_memory, &[][..]), ("new", &model(9, 1), &[0])] {
        let grant = pool.goes(name, needs, gpus, &[]);
        pool.give(&lane(name), &grant);
    }
    pool.goes("a", &gpu(10), &[0], &["new"]);
    assert!(pool.is_warm(&lane("old")));
}

#[test]
fn an_idle_model_moves_to_another_gpu_where_its_own_has_no_room() {
    let mut pool = pool(&[20, 20]);
    let first = pool.goes("a", &model(8, 4), &[0], &[]);
    pool.goes("b", &gpu(8), &[0], &[]);
    assert_eq!(pool.how_many(&lane("a"), &model(8, 4)), 0, "it is in use where it is");
    pool.give(&lane("a"), &first);
    pool.goes("c", &gpu(3), &[0], &[]);
    let moved = pool.goes("a", &model(8, 4), &[1], &["a"]);
    assert!(pool.is_warm(&lane("a")));
    assert_eq!(moved.gpus, [1]);
}

#[test]
fn alternatives_may_each_have_a_model_and_both_be_warm() {
    let mut pool = pool(&[10]);
    let either = model(6, 4).or(needs().cpu_millis(2000).shared(needs().memory_mib(600)));
    assert_eq!(pool.how_many(&lane("a"), &either), 3);
    let grants = [0, 1, 1].map(|option| {
        let (grant, evicted) = pool.take(&lane("a"), &either).unwrap();
        assert_eq!((grant.option, evicted.len()), (option, 0));
        grant
    });
    assert_eq!((pool.load().gpu_memory_mib, pool.load().memory_mib), (10, 600));
    grants.iter().for_each(|grant| pool.give(&lane("a"), grant));
    pool.goes("b", &needs().memory_mib(500), &[], &["a"]);
    assert!(pool.is_warm(&lane("a")), "on the GPU it still is");
}

#[test]
fn what_no_worker_could_share_never_fits() {
    let pool = pool(&[10, 10]);
    for needs in [needs().shared(needs().gpus(1)), needs().gpus(1).shared(gpu(1))] {
        assert!(
            !pool.fits_ever(&needs) && pool.how_many(&lane("a"), &needs) == 0 && !needs.faults().is_empty()
        );
    }
    let with_memory = needs().gpus(1).shared(needs().memory_mib(1));
    assert_eq!(pool.how_many(&lane("a"), &with_memory), 2);
}

#[test]
fn counts_end_at_720720() {
    let mut pool = Pool::new(Capacity::new().slots(u64::MAX).gpu(u64::MAX));
    for needs in [needs(), needs().slots(1), gpu(1), model(u64::MAX, 0), gpu(1).or(needs().slots(1))] {
        assert_eq!(pool.how_many(&lane("a"), &needs), 720_720);
        assert_eq!(pool.how_many_at_all(&lane("a"), &needs), 720_720);
    }
    assert_eq!(pool.how_many(&lane("a"), &model(u64::MAX, 1)), 0, "no sum wraps");
    pool.goes("a", &needs().slots(u64::MAX), &[], &[]);
    assert_eq!((pool.how_many(&lane("a"), &needs().slots(1)), pool.free().slots), (0, 0));
    assert!(pool.fits_ever(&needs().slots(u64::MAX)));
}

#[test]
fn a_grant_travels_as_json() {
    let mut pool = pool(&[20]);
    let grant = pool.goes("a", &model(8, 3), &[0], &[]);
    let json = r#"{"option":0,"amounts":{"gpu_memory_mib":3},"shared":{"gpu_memory_mib":8},"gpus":[0]}"#;
    assert_eq!(serde_json::to_string(&grant).unwrap(), json);
    assert_eq!(serde_json::from_str::<Grant>(json).unwrap(), grant);
}
