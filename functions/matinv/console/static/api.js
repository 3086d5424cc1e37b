// Talking to the console's server. Every failure is an object {code, message, hint}.

export const GONE = {
  code: "CONSOLE_ENDED",
  message: "the console's server does not answer",
  hint: "start `matinv console` again and open the link that it prints",
};

let session = null;

export async function about() {
  session ??= get("/api/session");
  try {
    return await session;
  } catch (error) {
    session = null;
    throw error;
  }
}

export async function get(path) {
  return answered(await reach(path, { headers: { accept: "application/json" } }));
}

export async function post(path, body) {
  const { csrf } = await about();
  const headers = { [csrf.header]: csrf.token, "content-type": "application/json" };
  return answered(await reach(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

// fetch() tells nothing of how far an upload is; XMLHttpRequest does.
export async function upload(query, content, onProgress) {
  const { csrf } = await about();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/jobs?${query}`);
    request.setRequestHeader(csrf.header, csrf.token);
    request.upload.onprogress = (event) => onProgress(event.loaded / (event.total || 1));
    request.onerror = () => reject(GONE);
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status < 300) resolve(answer);
      else reject(answer?.error ?? unknown(request.status));
    };
    request.send(content);
  });
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw GONE;
  }
}

async function answered(response) {
  const answer = parsed(await response.text());
  if (!response.ok) throw answer?.error ?? unknown(response.status);
  return answer;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function unknown(status) {
  return { code: `HTTP_${status}`, message: "the console answered with an error", hint: "see its terminal" };
}
