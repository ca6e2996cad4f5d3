// Keeps the workspace id in this browser, and tells the browser which language the page speaks.
// The id never stands in the address. data: {cookie, id, language}
export default function ({ data, parentElement }) {
  const current = `; ${document.cookie}`.split(`; ${data.cookie}=`)[1]?.split(";")[0]
  if (current !== data.id) {
    const secure = location.protocol === "https:" ? "; Secure" : ""
    document.cookie = `${data.cookie}=${data.id}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`
  }
  document.documentElement.lang = data.language
  parentElement.host?.setAttribute("aria-hidden", "true")
}
