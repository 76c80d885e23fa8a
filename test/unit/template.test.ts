import { describe, expect, test } from "bun:test";
import { compileTemplate } from "../../src/cli/format/evaluate.ts";
import { humanDuration, humanSize } from "../../src/cli/format/human.ts";
import { alignTable } from "../../src/cli/format/output.ts";

const DATA = {
  Name: "/web",
  State: { Running: true, ExitCode: 0, Pid: 42 },
  Config: { Env: ["A=1", "B=2"], Labels: { x: "1", "with.dot": "2" }, Cmd: null },
  Empty: {},
};
const render = (template: string) => compileTemplate(template)(DATA);

describe("templates", () => {
  // Expected values are what Go's text/template prints for the same data.
  test.each([
    ["{{.Name}}", "/web"],
    ["{{ .State.Pid }}!", "42!"],
    ["{{json .Config.Env}}", '["A=1","B=2"]'],
    ["{{json .Config}}", '{"Env":["A=1","B=2"],"Labels":{"x":"1","with.dot":"2"},"Cmd":null}'],
    ["{{.Config.Env}} {{.Config.Labels}} {{.Config.Cmd}}", "[A=1 B=2] map[with.dot:2 x:1] []"],
    ["{{range .Config.Env}}{{.}};{{end}}", "A=1;B=2;"],
    ["{{range $i, $e := .Config.Env}}{{$i}}={{$e}} {{end}}", "0=A=1 1=B=2 "],
    ["{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "with.dot:2 x:1 "],
    ["{{range .Empty}}x{{else}}none{{end}}", "none"],
    ['{{index .Config.Labels "with.dot"}}{{index .Config.Env 1}}', "2B=2"],
    ["{{if .State.Running}}up{{else}}down{{end}}", "up"],
    ["{{if eq .State.ExitCode 1}}a{{else if eq .State.ExitCode 0 7}}b{{else}}c{{end}}", "b"],
    ["{{if and .State.Running (not .State.ExitCode)}}yes{{end}}", "yes"],
    ["{{with .State}}{{.Pid}} {{$.Name}}{{end}}", "42 /web"],
    ['{{$x := .State.Pid}}{{$x}} {{printf "%05d|%-5s|%q|%v" $x "a" "b" true}}', '42 00042|a    |"b"|true'],
    ['{{.Name | printf "%s-%s" "a"}}', "a-/web"],
    ['{{join .Config.Env ","}} {{upper .Name}} {{len .Config.Env}} {{title "one two"}}', "A=1,B=2 /WEB 2 One Two"],
    ['{{range split "a/b" "/"}}[{{.}}]{{end}}{{truncate "abcdef" 3}}{{pad "x" 1 2}}', "[a][b]abc x  "],
    ["a {{- /* a comment */ -}} b", "ab"],
    ["a {{- .Name -}} \n b", "a/webb"],
    ['{{"quoted }} \\" text"}} {{`raw`}}', 'quoted }} " text raw'],
    ["{{lt 1 2}} {{ge 2 2}} {{ne 1 1}} {{or 0 3}} {{println 1}}", "true true false 3 1\n"],
    ["{{range $i, $e := .Config.Env}}{{if $i}}{{break}}{{end}}{{$e}}{{end}}", "A=1"],
    ["{{slice .Name 1}} {{(index .Config.Env 0)}}", "web A=1"],
    ['{{define "T"}}[{{.}}]{{end}}{{template "T" .Name}}{{block "B" .State}}({{.Pid}}){{end}}{{template "B" .State}}', "[/web](42)(42)"],
    ['{{define "T"}}{{$}}{{end}}{{template "T" 1}}{{template "T"}}', "1<no value>"],
    ['{{html "<a>&" "\'"}} {{js "it\'s <"}} {{urlquery "a b/(c)"}}', "&lt;a&gt;&amp;&#39; it\\'s \\u003C a+b%2F%28c%29"],
    ['{{print 1 2 "x" "y" 3}}', "1 2xy3"],
    ["{{.Config.Healthcheck}} {{.Config.Shell}} {{.Config.ExposedPorts}} {{.Config.StopSignal}}|", "<nil> [] map[] |"],
  ])("%s", (template, expected) => {
    expect(render(template)).toBe(expected);
  });

  test.each([
    ["{{.Foo", "unclosed action"],
    ["{{.Nope}}", 'map has no entry for key "Nope"'],
    ["{{nope .Name}}", 'function "nope" not defined'],
    ["{{if .Name}}", "unexpected EOF"],
    ["{{end}}", "unexpected {{end}}"],
    ["{{.Name.First}}", "can't evaluate field First in type string"],
    ["{{$x}}", 'undefined variable "$x"'],
    ["{{index .Config.Env 9}}", "index out of range"],
    ['{{template "T" .}}', 'template "T" not defined'],
    ["{{define T}}{{end}}", "unexpected"],
    ['{{define "T"}}', "unexpected EOF"],
  ])("%s fails", (template, message) => {
    expect(() => render(template)).toThrow(message);
  });
});

test("tables", () => {
  expect(alignTable(["ID\tNAME", "1\tsomething"])).toBe("ID        NAME\n1         something\n");
  expect(alignTable(["A\tB", "a-long-value-here\tb"])).toBe("A                   B\na-long-value-here   b\n");
});

test("sizes and durations in docker's words", () => {
  expect([0, 999, 1000, 1_240_000, 123_456_789, 1_500_000_000].map(humanSize)).toEqual(["0B", "999B", "1kB", "1.24MB", "123MB", "1.5GB"]);
  const minute = 60_000;
  const durations = [
    500,
    1000,
    59_000,
    minute,
    5 * minute,
    60 * minute,
    5 * 60 * minute,
    72 * 60 * minute,
    24 * 60 * 20 * minute,
    24 * 60 * 90 * minute,
  ];
  expect(durations.map(humanDuration)).toEqual([
    "Less than a second",
    "1 second",
    "59 seconds",
    "About a minute",
    "5 minutes",
    "About an hour",
    "5 hours",
    "3 days",
    "2 weeks",
    "3 months",
  ]);
});
