//! What rustc says to common mistakes.

#[test]
fn common_mistakes_read_well() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
