// The cookie that finds a learner's workspace again: written once by each tab, never back over a newer one.
import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { test } from "node:test"

const source = await readFile(new URL("../../assets/components/workspace_cookie.js", import.meta.url), "utf-8")
const { default: component } = await import(`data:text/javascript,${encodeURIComponent(source)}`)

class Browser {
  jar = {}
  get cookie() {
    return Object.entries(this.jar).map(([name, value]) => `${name}=${value}`).join("; ")
  }
  set cookie(text) {
    const [name, value] = text.split(";")[0].split("=")
    this.jar[name] = value
  }
}

function tab(browser) {
  const kept = {}
  const sessionStorage = { getItem: (key) => kept[key] ?? null, setItem: (key, value) => { kept[key] = value } }
  return (id) => {
    globalThis.document = Object.assign(Object.create(browser), { documentElement: {} })
    Object.defineProperty(globalThis.document, "cookie", {
      get: () => browser.cookie,
      set: (text) => { browser.cookie = text },
    })
    globalThis.location = { protocol: "http:" }
    globalThis.sessionStorage = sessionStorage
    component({ data: { cookie: "lab", id, language: "zh-CN" }, parentElement: {} })
    assert.equal(globalThis.document.documentElement.lang, "zh-CN")
    return browser.jar.lab
  }
}

test("the first visit writes the id, a new workspace writes its own", () => {
  const rerun = tab(new Browser())
  assert.equal(rerun("ana"), "ana")
  assert.equal(rerun("ana"), "ana")
  assert.equal(rerun("ben"), "ben")
})

test("an old tab does not bring the former learner back", () => {
  const browser = new Browser()
  const old = tab(browser)
  const young = tab(browser)
  old("ana")
  young("ana")
  assert.equal(young("ben"), "ben")
  assert.equal(old("ana"), "ben")
})

test("a cookie that was cleared is written again", () => {
  const browser = new Browser()
  const rerun = tab(browser)
  rerun("ana")
  delete browser.jar.lab
  assert.equal(rerun("ana"), "ana")
})

test("a browser without session storage still keeps its cookie", () => {
  const browser = new Browser()
  globalThis.document = browser
  browser.documentElement = {}
  globalThis.location = { protocol: "http:" }
  globalThis.sessionStorage = { getItem() { throw new Error("no") }, setItem() { throw new Error("no") } }
  component({ data: { cookie: "lab", id: "ana", language: "en" }, parentElement: {} })
  assert.equal(browser.jar.lab, "ana")
})
