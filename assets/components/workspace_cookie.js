// Keeps the workspace id in this browser, and tells the browser which language the page speaks.
// The id never stands in the address. data: {cookie, id, language}
//
// A tab writes each id once. When another tab has begun a new workspace since ("Not me"), an old tab's next rerun must
// not bring the former learner's id back.
export default function ({ data, parentElement }) {
  const current = `; ${document.cookie}`.split(`; ${data.cookie}=`)[1]?.split(";")[0]
  if (!current || (current !== data.id && remembered(data.cookie) !== data.id)) {
    const secure = location.protocol === "https:" ? "; Secure" : ""
    document.cookie = `${data.cookie}=${data.id}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`
  }
  remember(data.cookie, data.id)
  document.documentElement.lang = data.language
  parentElement.host?.setAttribute("aria-hidden", "true")
}

function remembered(key) {
  try {
    return sessionStorage.getItem(key)
  } catch {
    return null // a browser that forbids it: then every difference is written
  }
}

function remember(key, id) {
  try {
    sessionStorage.setItem(key, id)
  } catch {
    // as above
  }
}
