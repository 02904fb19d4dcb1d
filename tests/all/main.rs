mod limits;
mod run;
mod support;
mod tidy;
mod verdicts;
