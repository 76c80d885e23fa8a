// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are Dockerfiles'
/** Dockerfiles and .dockerignore, as they are read. */
import { describe, expect, test } from "bun:test";
import { DockerfileError, expandText, jsonList, parseDockerfile, shellWord, shellWords } from "../../src/image/dockerfile.ts";
import { IgnoreFile } from "../../src/image/dockerignore.ts";

const VALUES: Record<string, string> = { A: "a", B: "two words", EMPTY: "", VERSION: "1.2.3" };
const lookup = (name: string) => VALUES[name];

describe("instructions", () => {
  test("lines that go on, comments and empty lines among them", () => {
    const [from, run, cmd] = parseDockerfile("\ufeff# c\r\nfrom bb\n\nRUN a \\\n# c\n\n  && b \\  \n && c\nCMD x");
    expect(from).toMatchObject({ name: "FROM", rest: "bb", line: 2 });
    expect(run).toMatchObject({ name: "RUN", rest: "a   && b  && c", line: 4 });
    expect(cmd).toMatchObject({ name: "CMD", rest: "x", line: 9 });
  });

  test("another escape; flags; a backslash that is none", () => {
    expect(parseDockerfile("# escape=`\nFROM bb\nRUN dir c:\\ `\n x")[1]?.rest).toBe("dir c:\\  x");
    expect(parseDockerfile("FROM bb\nCOPY --from=x --link --chown=1:2 a b")[1]).toMatchObject({
      flags: [
        { name: "from", value: "x" },
        { name: "link", value: "" },
        { name: "chown", value: "1:2" },
      ],
      rest: "a b",
    });
    expect(parseDockerfile("FROM bb\nRUN echo --not-a-flag=1")[1]).toMatchObject({ flags: [], rest: "echo --not-a-flag=1" });
  });

  test("heredocs: several, indented, quoted", () => {
    const [, run, copy] = parseDockerfile("FROM bb\nRUN <<-EOF\n\tx\n\tEOF\nCOPY <<A <<'B' /\n1\nA\n2\nB\nCMD y");
    expect(run?.heredocs).toEqual([{ name: "EOF", text: "x\n", expands: true }]);
    expect(copy?.heredocs).toEqual([
      { name: "A", text: "1\n", expands: true },
      { name: "B", text: "2\n", expands: false },
    ]);
  });

  test.each([["FROM bb\nFOO x"], ["# only a comment"], ["FROM"], ["FROM bb\nRUN <<X\n"], ["# escape=x\nFROM bb"]])("refused: %j", (text) => {
    expect(() => parseDockerfile(text as string)).toThrow(DockerfileError);
  });
});

describe("words", () => {
  test.each([
    ["a b  c", ["a", "b", "c"]],
    ["$A ${A}x $NONE", ["a", "ax", ""]],
    ["x=$B y='$A' z=\"$A b\"", ["x=two words", "y=$A", "z=a b"]],
    ["a\\ b \\$A", ["a b", "$A"]],
    ["${NONE:-d} ${EMPTY:-d} ${EMPTY-d} ${A:+s} ${NONE:+s}", ["d", "d", "", "s", ""]],
    ["${NONE:-${A}-$B}", ["a-two words"]],
    ["${VERSION%.*} ${VERSION%%.*} ${VERSION#*.} ${VERSION##*.}", ["1.2", "1", "2.3", "3"]],
    ["${VERSION/./-} ${VERSION//./-} ${VERSION//[0-9]} ${VERSION/\\./$A}", ["1-2.3", "1-2-3", "1.2.3", "1a2.3"]],
    ["${VERSION#?.} ${VERSION%x} ${NONE#x} ${B/ /_}", ["2.3", "1.2.3", "", "two_words"]],
    ["$", ["$"]],
    ["$$A $1x ${10:-d} $É ${#}$", ["A", "x", "d", "", "$"]],
  ])("%s", (text, words) => {
    expect(shellWords(text as string, lookup)).toEqual(words as string[]);
  });

  test("a whole text is one word; heredocs know variables only", () => {
    expect(shellWord("a  $A 'b  c'", lookup)).toBe("a  a b  c");
    expect(expandText("'$A' \"x\" \\$A \\n", lookup)).toBe("'a' \"x\" $A \\n");
    expect(() => shellWords("'open", lookup)).toThrow("single-quote");
    expect(() => shellWords("${A:2}", lookup)).toThrow("unsupported modifier");
    expect(() => shellWord("${NONE:?is needed}", lookup)).toThrow("NONE: is needed");
  });

  test("lists in JSON, and what is none", () => {
    expect(jsonList('["a", "b c"]')).toEqual(["a", "b c"]);
    expect([jsonList("['a']"), jsonList("[1]"), jsonList("a")]).toEqual([undefined, undefined, undefined]);
  });
});

test.each([
  ["*.md", ["readme.md"], ["docs/readme.md", "md"]],
  ["**/*.md", ["readme.md", "a/b/readme.md"], ["md"]],
  ["node_modules", ["node_modules", "node_modules/a/b"], ["src/node_modules"]],
  ["/a/?", ["a/b", "a/b/c"], ["a", "a/bc"]],
  ["*\n!keep\n!deep/keep", ["x", "deep/x", "deep"], ["keep", "keep/below", "deep/keep"]],
  ["# comment\n\n[a-c].txt", ["a.txt"], ["d.txt", "# comment"]],
])("%j leaves out", (text, out, kept) => {
  const ignore = new IgnoreFile(text as string);
  expect((out as string[]).filter((path) => !ignore.ignores(path))).toEqual([]);
  expect((kept as string[]).filter((path) => ignore.ignores(path))).toEqual([]);
});
