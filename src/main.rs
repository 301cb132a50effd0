//! The program: the command line's words become [`Settings`], and the process does the rest.

use std::io::Write;
use std::process::ExitCode;

use rolecall::cli::{self, Action, Arguments};
use rolecall::config::lexer::{self, Environment, LineContext};
use rolecall::config::{SourceId, condition};
use rolecall::process;
use rolecall::process::settings::{End, Ground, Master, Predecessors, Settings, Splicing, Task, Verbosity};

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Ok(Action::Run(arguments)) => {
            if let Some(classes) = &arguments.dump_keywords {
                print(&cli::keyword_dump(classes));
            }
            ExitCode::from(process::run(settings(*arguments)))
        }
        Ok(Action::Print(text)) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Ok(Action::CheckCondition(condition)) => ExitCode::from(check_condition(&condition)),
        Err(usage) => {
            let _ = writeln!(std::io::stderr(), "{usage}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) {
    // Nobody reads: nothing to do.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn settings(arguments: Arguments) -> Settings {
    let program = std::env::args_os().next().unwrap_or_default().to_string_lossy().into_owned();
    let foreground = arguments.foreground || arguments.debug || arguments.sd_notify;
    Settings {
        program,
        version: cli::COMPATIBLE_VERSION.to_owned(),
        release_date: cli::COMPATIBLE_DATE.to_owned(),
        task: match (arguments.explain, arguments.check) {
            (true, _) => Task::Explain,
            (false, true) => Task::Check,
            (false, false) => Task::Serve,
        },
        ground: match (foreground, arguments.daemon) {
            (true, _) => Ground::Foreground,
            (false, true) => Ground::Background,
            (false, false) => Ground::AsConfigured,
        },
        master: match (arguments.sd_notify, arguments.master_worker) {
            (true, _) => Master::Notify,
            (false, true) => Master::Worker,
            (false, false) => Master::AsConfigured,
        },
        predecessors: predecessors(&arguments),
        old_socket: arguments.old_socket().cloned(),
        warnings: repeated(&arguments),
        verbosity: match (arguments.verbose || arguments.debug, arguments.quiet) {
            (true, _) => Verbosity::Verbose,
            (false, true) => Verbosity::Quiet,
            (false, false) => Verbosity::Normal,
        },
        files: arguments.files,
        directory: arguments.chdir,
        local_peer: arguments.local_peer,
        master_socket: arguments.master_socket,
        pidfile: arguments.pidfile,
        maxconn: arguments.maxconn,
        frontend_maxconn: arguments.proxy_maxconn,
        splicing: if arguments.no_splice { Splicing::Off } else { Splicing::AsConfigured },
        warnings_refuse: arguments.warnings_fatal,
        ignore_unresolved: arguments.ignore_unresolved,
    }
}

fn predecessors(arguments: &Arguments) -> Option<Predecessors> {
    let pids = |list: &[i32]| list.iter().filter_map(|pid| u32::try_from(*pid).ok()).collect();
    match (arguments.soft_stop_pids.as_slice(), arguments.stop_pids.as_slice()) {
        ([], []) => None,
        (finish, []) => Some(Predecessors { end: End::Finish, pids: pids(finish) }),
        (_, terminate) => Some(Predecessors { end: End::Terminate, pids: pids(terminate) }),
    }
}

/// Of all flags that may be repeated, the only one of which HAProxy says so.
fn repeated(arguments: &Arguments) -> Vec<String> {
    let sentence = "-x option already set, overwriting the value";
    arguments.old_sockets.iter().skip(1).map(|_| sentence.to_owned()).collect()
}

/// `-cc`: 0 it holds, 1 it does not, 2 it has no value.
fn check_condition(condition: &str) -> u8 {
    let mut environment = Environment::default();
    for (name, value) in std::env::vars_os() {
        environment.set(name.into_encoded_bytes(), value.into_encoded_bytes());
    }
    // Quotes and variables mean what they mean on a line of a config.
    let words = lexer::split(SourceId(0), 0, condition.as_bytes(), &environment, &LineContext::default());
    let result = words.map_err(|fault| fault.message).and_then(|words| {
        let texts: Vec<String> = words.iter().map(|word| word.str().into_owned()).collect();
        condition::evaluate(&texts.join(" "), &environment).map_err(|fault| fault.to_string())
    });
    match result {
        Ok(holds) => u8::from(!holds),
        Err(fault) => {
            // The exit code says it too.
            let _ = writeln!(std::io::stderr(), "{fault}");
            2
        }
    }
}
