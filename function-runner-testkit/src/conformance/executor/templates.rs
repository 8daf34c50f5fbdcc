//! What can be called.

use function_runner_core::TemplateSet;

use super::Caller;

async fn read(caller: &Caller, known: u64) -> Option<TemplateSet> {
    caller.executor.templates(known).await.unwrap_or_else(|error| panic!("templates: {error:?}"))
}

pub async fn templates_list_what_is_served(caller: Caller) {
    caller.expects(
        "every function that runs behind the executor is in the set, with the version a name goes to",
    );
    let set = read(&caller, 0).await.expect("nobody knows the revision 0");
    assert!((1..1 << 53).contains(&set.revision), "a revision is 1 to 2^53 - 1: {}", set.revision);
    for own in caller.case.functions.templates() {
        let listed = set.templates.iter().find(|template| template.function == own.function);
        let listed = listed.unwrap_or_else(|| panic!("`{}` is not listed", own.function));
        assert_eq!(listed.content(), own.content(), "`{}` is listed as it was served", own.function);
        assert_eq!((listed.timeout, listed.retry), (own.timeout, own.retry), "`{}`", own.function);
        assert_eq!(set.defaults.get(&own.function), Some(&own.version), "`{}`", own.function);
    }
}

pub async fn templates_answer_none_while_the_revision_is_known(caller: Caller) {
    caller.expects("asked with the revision it has, it answers `None`");
    let set = read(&caller, 0).await.expect("nobody knows the revision 0");
    assert_eq!(read(&caller, set.revision).await, None);
    let other = read(&caller, set.revision ^ 1).await;
    assert_eq!(
        other.map(|set| set.revision),
        Some(set.revision),
        "another revision is answered with the set"
    );
}
