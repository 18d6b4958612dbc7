//! Texts that would run something on a page that lets them.

/// Each sets `window.__xss` or opens a dialog where it is taken for more than a text. All fit into one line.
pub(crate) const PAYLOADS: [&str; 44] = [
    // Elements.
    "<script>window.__xss=1</script>",
    "</script><script>window.__xss=1</script>",
    "<ScRiPt>window.__xss=1</sCrIpT>",
    "<script src=data:text/javascript,window.__xss=1></script>",
    "<scr<script>ipt>window.__xss=1</scr</script>ipt>",
    "<img src=x onerror=window.__xss=1>",
    "<img src=\"x\" onerror=\"alert(1)\">",
    "<IMG SRC=x OnErRoR=window.__xss=1>",
    "<img/src=x/onerror=window.__xss=1>",
    "<svg onload=window.__xss=1>",
    "<svg/onload=alert(1)>",
    "<svg><script>window.__xss=1</script></svg>",
    "<svg><animate onbegin=window.__xss=1 attributeName=x dur=1s>",
    "<math><mtext></form><form><mglyph><svg><mtext><style><path id=\"</style><img onerror=window.__xss=1 src>\">",
    "<iframe srcdoc=\"<script>parent.__xss=1</script>\"></iframe>",
    "<iframe src=\"javascript:parent.__xss=1\"></iframe>",
    "<object data=\"javascript:window.__xss=1\"></object>",
    "<embed src=\"javascript:window.__xss=1\">",
    "<details open ontoggle=window.__xss=1>x</details>",
    "<video><source onerror=window.__xss=1></video>",
    "<body onload=window.__xss=1>",
    "<input autofocus onfocus=window.__xss=1>",
    "<marquee onstart=window.__xss=1>x</marquee>",
    "<a href=\"javascript:window.__xss=1\">x</a>",
    "<form action=\"javascript:window.__xss=1\"><button>x</button></form>",
    "<meta http-equiv=refresh content=\"0;url=javascript:window.__xss=1\">",
    "<base href=\"https://evil.example/\">",
    "<link rel=stylesheet href=\"https://evil.example/x.css\">",
    "<style>*{display:none}</style>",
    // Ways out of what a text may stand in.
    "</title><script>window.__xss=1</script>",
    "</textarea><script>window.__xss=1</script>",
    "</style><script>window.__xss=1</script>",
    "--><script>window.__xss=1</script><!--",
    "]]><script>window.__xss=1</script>",
    "\" autofocus onfocus=\"window.__xss=1\" x=\"",
    "' autofocus onfocus='window.__xss=1' x='",
    "`;window.__xss=1;//",
    "';window.__xss=1;//\\",
    // Entities, which must be shown as they were written.
    "&lt;script&gt;window.__xss=1&lt;/script&gt;",
    "&#60;img src=x onerror=window.__xss=1&#62; &amp;lt; &quot;",
    // Template languages.
    "{{constructor.constructor('window.__xss=1')()}} ${window.__xss=1} #{7*7} <%= 7*7 %>",
    "javascript:window.__xss=1//",
    // Writing direction and signs that nobody sees.
    "\u{202e}<img src=x onerror=window.__xss=1>\u{202c}",
    "\u{ff1c}script\u{ff1e}window.__xss=1 \u{200b}<img src=x onerror=window.__xss=1>",
];
