//! The pictures of README, taken of a demo that runs: the terminal in 80 columns, the console's pages in a browser. They fit,
//! wherever they are looked at. With `FLEETLEDGER_PICTURES=FOLDER` they are kept (`make pictures`).

use std::{path::PathBuf, time::Duration};

use fleetledger_local::skip::unless_available;

use crate::{
    browser::BrowserWindow,
    page::PageReader,
    pages::PageDemo,
    terminal::{TerminalScene, animated},
};

const COMMANDS: [&str; 4] = [
    "fleetledger status",
    "fleetledger alerts list",
    "fleetledger cost --window today --by team",
    "fleetledger sql -- -c \"select status, count(*) from pod group by 1 order by 2 desc\"",
];
const STORY_BEGINS_WITHIN: Duration = Duration::from_secs(180);
/// Of a desk and of a telephone, in CSS pixels.
const DEVICES: [(u32, u32, u32); 2] = [(1280, 900, 1), (390, 844, 2)];
const PAGES: [&str; 5] = [
    "/",
    "/alerts",
    "/rules",
    "/runbooks/node-not-reporting",
    "/timeline?datacenter=iad",
];

fn keep(name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("FLEETLEDGER_PICTURES") {
        let folder = PathBuf::from(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

fn console(reader: &PageReader) -> String {
    let (code, said) = reader.types("fleetledger config show");
    assert_eq!(code, 0, "{said}");
    let listen = said
        .lines()
        .skip_while(|line| line.trim() != "[console]")
        .find_map(|line| line.trim().strip_prefix("listen = "));
    let listen = listen.unwrap_or_else(|| panic!("the demo's file names no console: {said}"));
    format!("http://{}", listen.trim_matches('"'))
}

#[tokio::test(flavor = "multi_thread")]
async fn terminal_and_pages_fit_where_they_are_looked_at() {
    let test = "terminal_and_pages_fit_where_they_are_looked_at";
    let demo = PageDemo::shared();
    demo.reader
        .waits_for("fleetledger cost --window today --by team", "payments");
    // The first alert of the demo's story, a minute and a half after its start.
    demo.reader
        .waits_within(STORY_BEGINS_WITHIN, "fleetledger alerts list", "WatchdogFailing");
    let scenes = COMMANDS.map(|command| TerminalScene::record(&demo.reader, command));
    for scene in &scenes {
        assert!(
            scene.wrapped().is_empty(),
            "{}: {:#?}",
            scene.command,
            scene.wrapped()
        );
        assert!(scene.lines.len() > 2, "{}: {:?}", scene.command, scene.lines);
    }
    keep("terminal.svg", animated(&scenes).as_bytes());

    let console = console(&demo.reader);
    for (width, height, scale) in DEVICES {
        let browser = BrowserWindow::open(width, height, scale).await;
        let Some(browser) = unless_available(test, browser).unwrap() else {
            return;
        };
        for page in PAGES {
            browser.goes_to(&format!("{console}{page}")).await;
            let fits = browser
                .evaluates("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
                .await;
            assert_eq!(fits, true, "{page} is wider than {width} pixels");
            let faults = browser.faults().await;
            assert!(faults.is_empty(), "{page}: {faults:?}");
        }
        browser.goes_to(&format!("{console}/")).await;
        let picture = browser.picture().await;
        assert!(picture.starts_with(b"\x89PNG"));
        // Width and height are the first words of a PNG's header.
        let pixels = u32::from_be_bytes(picture[16..20].try_into().unwrap());
        assert_eq!(pixels, width * scale);
        keep(&format!("fleet-{width}.png"), &picture);
    }
}
