"""The style of the report page: light and dark, phone and desktop, and no file beside it."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f8;--card:#fff;--ink:#16202a;--soft:#55626f;--rule:#dfe3e8;
--blue:#1f6fb5;--blue-soft:#cfe2f3;--good:#1b7a43;--warn:#9a5b00;--bad:#b3261e;
--updated:#1f6fb5;--unchanged:#8fb8dc;--superseded:#a9b3bd;--invalid:#e0a100;--rejected:#c4342b;--unknown:#7d4fb3;
--pending:#d3d8dd}
@media (prefers-color-scheme:dark){:root{--page:#12171c;--card:#1b2229;--ink:#e7ecf0;--soft:#a3afba;--rule:#313b45;
--blue:#62a8e5;--blue-soft:#24435f;--good:#63c78b;--warn:#f0b354;--bad:#ff8a80;
--updated:#4c97d8;--unchanged:#2f5d86;--superseded:#6b7782;--invalid:#e3b341;--rejected:#f0675e;--unknown:#b48ae0;
--pending:#46515c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 40px}
header{border-left:6px solid var(--tone);padding:2px 0 2px 18px;margin-bottom:24px}
.good{--tone:var(--good)}.warn{--tone:var(--warn)}.bad{--tone:var(--bad)}
.status{margin:0;color:var(--tone);font-weight:600;display:flex;align-items:center;gap:8px}
.mark{display:inline-grid;place-items:center;width:20px;height:20px;border-radius:50%;background:var(--tone);
color:var(--page);font-size:13px;line-height:1}
h1{font-size:28px;line-height:1.25;margin:6px 0 14px;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 12px}
.facts{display:flex;flex-wrap:wrap;gap:6px 28px;margin:0}
.facts dt,.tiles p,.note,footer,.meaning,figcaption span,figcaption em{color:var(--soft);font-size:13px}
.facts dd{margin:0;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(3,1fr);gap:1px;background:var(--rule);border:1px solid var(--rule);
border-radius:8px;overflow:hidden;margin-bottom:16px}
.tiles div{background:var(--card);padding:12px 16px}.tiles p{margin:0}
.tiles b{font-size:22px;font-weight:600;font-variant-numeric:tabular-nums}
section{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:16px;margin-bottom:16px}
section p{margin:0 0 8px}.note{margin:8px 0 0!important}
.steps{margin:0;padding-left:20px}
pre{margin:6px 0 10px;padding:10px 12px;background:var(--page);border:1px solid var(--rule);border-radius:6px;
white-space:pre-wrap;overflow-wrap:anywhere}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bar{display:flex;height:30px;gap:2px;border-radius:5px;overflow:hidden}
.bar span{min-width:4px;flex-basis:0}
.key{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:8px}
:where(.bar span,.key:not(.s-read)){background:var(--soft)}
.s-updated{background:var(--updated)}.s-unchanged{background:var(--unchanged)}
.s-superseded{background:var(--superseded)}.s-invalid{background:var(--invalid)}
.s-rejected{background:var(--rejected)}.s-unknown{background:var(--unknown)}.s-pending{background:var(--pending)}
table{border-collapse:collapse;width:100%}
.sums{margin-top:12px}
th,td{text-align:left;vertical-align:baseline;padding:6px 14px 6px 0;border-bottom:1px solid var(--rule);
font-weight:400}
thead th{color:var(--soft);font-size:13px}tbody tr:last-child>*{border-bottom:0}
.outcome{white-space:nowrap}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.sums .meaning{width:45%}.reasons .reason{width:80%;overflow-wrap:anywhere}
.ids code{display:inline-block;color:var(--soft);margin-right:8px;overflow-wrap:anywhere}
figure{margin:0 0 14px}figcaption{display:flex;flex-wrap:wrap;gap:0 6px;align-items:baseline;margin-bottom:6px}
figcaption b{font-weight:600}figcaption em{margin-left:auto;font-style:normal;font-variant-numeric:tabular-nums}
.plot{position:relative;height:64px;padding-left:58px}.plot.tall{height:110px}
.plot svg{display:block;width:100%;height:100%;border-top:1px dotted var(--rule);border-bottom:1px solid var(--soft)}
.plot i{position:absolute;left:0;width:50px;text-align:right;font:12px/1 system-ui,sans-serif;color:var(--soft)}
.plot i:first-child{top:-4px}.plot i:nth-child(2){bottom:-4px}
.area{fill:var(--blue-soft);stroke:var(--blue)}.line,.limit,.move{fill:none;stroke:var(--blue)}
.limit,.move{stroke:var(--warn)}.move{stroke-dasharray:2 3;opacity:.55}
path{stroke-width:1.5;vector-effect:non-scaling-stroke}path.move{stroke-width:1}
rect.warn{fill:var(--invalid)}rect.bad{fill:var(--rejected)}
.limit-key,.move-key{display:inline-block;margin-right:5px}
.limit-key{width:14px;border-top:2px solid var(--warn);vertical-align:4px}
.move-key{border-left:1px dashed var(--warn);height:12px;margin-left:8px;vertical-align:-1px}
.axis{position:relative;height:18px;margin:-8px 0 0 58px}
.axis span{position:absolute;transform:translateX(-50%);font-size:12px;color:var(--soft);white-space:nowrap}
.axis span:first-child{transform:none}
summary{cursor:pointer;color:var(--soft)}ul{margin:0;padding-left:20px}
@media (max-width:600px){main{padding:16px 10px 32px}h1{font-size:22px}.tiles{grid-template-columns:repeat(2,1fr)}
.tiles b{font-size:19px}.sums .meaning{display:none}th,td{padding-right:10px}.plot{padding-left:48px}.plot i{width:42px}
.axis{margin-left:48px}figcaption em{margin-left:0;width:100%}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
