//! One guest that uses every kind of object, as a core module that is linked as it is and as a component: by the executables that
//! people get.

use sandhog_harness::{Command, guest};

const CORE: &str = "each_object";
const COMPONENT: &str = "each_object_as_component";

fn said(name: &str) -> String {
    let outcome = Command::guest(name).flag("--max-objects=40").run();
    outcome.is(0, "completed");
    outcome.text().to_owned()
}

/// Whether it imports an interface beside the objects: only then is it made a component (`needs_no_component` of the compiler).
fn is_made_a_component(name: &str) -> bool {
    let outcome = Command::sandhog(["inspect", "--json"]).flag(guest(name)).run();
    let json: serde_json::Value = serde_json::from_str(outcome.text()).unwrap();
    let imports: Vec<_> =
        json["imports"].as_array().unwrap().iter().filter_map(|import| import["name"].as_str()).collect();
    assert!(imports.contains(&"sandhog:job/objects@0.1.0"), "{imports:?}");
    imports.contains(&"sandhog:job/process@0.1.0")
}

#[test]
fn each_call_of_each_object_comes_to_the_same_as_a_core_module_and_as_a_component() {
    assert_eq!([CORE, COMPONENT].map(is_made_a_component), [false, true]);
    let (core, component) = (said(CORE), said(COMPONENT));
    let differs = core.lines().zip(component.lines()).find(|(core, component)| core != component);
    assert_eq!(differs, None);
    assert_eq!(core, component);
    assert!(core.lines().count() > 45 && !core.contains("ended: "), "{core}");

    // The last of five halves of words can be set.
    let last = "array: (5, Ok(()), Ok(9), Ok(10), Err(Invalid(\"invalid\")))";
    for line in ["lock: 1", "locked: Ok(false)", last, "taken: (16777218, Ok(1), Ok(2), Ok(()), Ok(3))"] {
        assert!(core.lines().any(|said| said == line), "{line} is not in\n{core}");
    }
}
