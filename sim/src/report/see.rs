//! The part of the page that looks into one recorded run: map of views, spread of news, causes, timelines.
//!
//! The data is the file of the history itself; scripts draw it. Without scripts the rest of the page stands as it is.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::html::escape;
use crate::history::Document;

/// Parts of one script, in this order.
const SCRIPTS: [&str; 6] = [
    include_str!("../../assets/history.js"),
    include_str!("../../assets/canvas.js"),
    include_str!("../../assets/heat.js"),
    include_str!("../../assets/spread.js"),
    include_str!("../../assets/node.js"),
    include_str!("../../assets/see.js"),
];
const BODY: &str = include_str!("../../assets/see.html");
pub(super) const STYLE: &str = include_str!("../../assets/see.css");
/// Largest packed history that is put into a page.
const PACKED_MAX: usize = 6_500_000;

/// A history as the report shows it.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    pub(super) document: &'a Document,
    /// The bytes of its file.
    pub(super) packed: &'a [u8],
}

/// The section of the page.
pub(super) fn section(recorded: &Recorded<'_>) -> String {
    let Recorded { document, packed } = recorded;
    let mut html = String::from("<section id=\"see\">\n<h2>One run, looked into</h2>\n");
    let _ = writeln!(
        html,
        "<p>Seed {}, trace hash {}: what every node thought of every other, how news spread, and why. <code>sim why \
         &lt;this folder&gt; OBSERVER SUBJECT</code> tells the same causes in a terminal.</p>",
        document.seed,
        escape(&document.trace_hash)
    );
    if !document.omitted.is_empty() {
        let _ = writeln!(html, "<p class=\"none\">{}</p>", escape(&document.omitted));
    }
    if packed.len() > PACKED_MAX {
        let _ = writeln!(
            html,
            "<p class=\"none\">The recorded run takes {} bytes, too many for a page. It is in {}; --history with a \
             smaller number makes it fit.</p>\n</section>",
            packed.len(),
            crate::history::document::FILE
        );
        return html;
    }
    html.push_str(BODY);
    let _ = writeln!(
        html,
        "<script type=\"application/gzip\" id=\"history\">{}</script>",
        STANDARD.encode(packed)
    );
    html.push_str("<script>\n\"use strict\";\n{\n");
    for script in SCRIPTS {
        html.push_str(script);
    }
    html.push_str("}\n</script>\n</section>\n");
    html
}
