//! One guest that uses every kind of object, as a core module that is linked as it is and as a component: by the executables that
//! people get.

use crate::support::{Run, guest};

const CORE: &str = "each_object";
const COMPONENT: &str = "each_object_as_component";

fn said(name: &str) -> String {
    let outcome = Run::new(name).flag("--max-objects=40").run();
    outcome.is(0, "completed");
    outcome.text().to_owned()
}

/// How it is linked.
fn form(name: &str) -> String {
    let outcome = Run::command(["inspect", "--json"]).flag(guest(name)).run();
    let json: serde_json::Value = serde_json::from_str(outcome.text()).unwrap();
    json["form"].as_str().unwrap().to_owned()
}

#[test]
fn each_call_of_each_object_comes_to_the_same_as_a_core_module_and_as_a_component() {
    assert_eq!([CORE, COMPONENT].map(form), ["core-module", "core-module-with-component-type"]);
    let (core, component) = (said(CORE), said(COMPONENT));
    let differs = core.lines().zip(component.lines()).find(|(core, component)| core != component);
    assert_eq!(differs, None);
    assert_eq!(core, component);
    assert!(core.lines().count() > 45 && !core.contains("ended: "), "{core}");
    for line in ["lock: 1", "locked: Ok(false)", "taken: (16777216, Ok(1), Ok(2), Ok(()), Ok(3))"] {
        assert!(core.lines().any(|said| said == line), "{line} is not in\n{core}");
    }
}
