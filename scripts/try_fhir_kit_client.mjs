// A public JavaScript client, fhir-kit-client, against a running installation: reads, searches, writes.
//
//   npm install fhir-kit-client && node scripts/try_fhir_kit_client.mjs http://127.0.0.1:8000/fhir TOKEN
//
// TOKEN: of an account in the role "system" (administrator's desk). Prints one line a step; exits 1 at the first wrong one.
import assert from "node:assert/strict";
import { Client } from "fhir-kit-client";

const [baseUrl, token] = process.argv.slice(2);
const client = new Client({ baseUrl, customHeaders: { Authorization: `Bearer ${token}` } });
const step = (name, ok) => { assert.ok(ok, name); console.log(`ok ${name}`); };
const patient = {
  resourceType: "Patient", name: [{ text: "测试甲" }], gender: "male", birthDate: "1970-01-01",
  identifier: [{ system: "urn:fhir-kit", value: String(Date.now()) }],
};
const pressure = (id) => ({
  resourceType: "Observation", status: "final", code: { coding: [{ system: "http://loinc.org", code: "8480-6" }] },
  subject: { reference: `Patient/${id}` }, effectiveDateTime: "2026-11-01T09:00:00+08:00",
  valueQuantity: { value: 150, unit: "mmHg", system: "http://unitsofmeasure.org", code: "mm[Hg]" },
});

step("capabilities", (await client.capabilityStatement()).fhirVersion === "4.0.1");
const made = await client.create({ resourceType: "Patient", body: patient });
step("create", made.meta.versionId === "1");
step("read", (await client.read({ resourceType: "Patient", id: made.id })).id === made.id);
const updated = await client.update({ resourceType: "Patient", id: made.id, body: { ...made, birthDate: "1971-01-01" } });
step("update", updated.meta.versionId === "2");
step("vread", (await client.vread({ resourceType: "Patient", id: made.id, version: "1" })).birthDate === "1970-01-01");
step("history", (await client.history({ resourceType: "Patient", id: made.id })).entry.length === 2);
const patch = [{ op: "replace", path: "/gender", value: "female" }];
step("patch", (await client.patch({ resourceType: "Patient", id: made.id, jsonPatch: patch })).gender === "female");
const bundle = {
  resourceType: "Bundle", type: "transaction",
  entry: [{ resource: pressure(made.id), request: { method: "POST", url: "Observation" } }],
};
step("transaction", (await client.transaction({ body: bundle })).entry[0].response.status.startsWith("201"));
const found = await client.search({
  resourceType: "Observation", searchParams: { patient: made.id, code: "8480-6", _include: "Observation:subject" },
});
step("search with _include", found.total === 1 && found.entry.length === 2);
const page = await client.search({ resourceType: "Patient", searchParams: { _count: 1 } });
step("next page", (await client.nextPage({ bundle: page })).entry.length === 1);
const inside = { resourceType: "Patient", id: made.id };
step("compartment", (await client.compartmentSearch({ resourceType: "Observation", compartment: inside })).total === 1);
step("$everything", (await client.operation({ name: "everything", ...inside, method: "GET" })).entry.length === 2);
const refused = await client.read({ resourceType: "Patient", id: "nobody" }).catch((error) => error.response);
step("error is an OperationOutcome", refused.status === 404 && refused.data.resourceType === "OperationOutcome");
await client.delete(inside);
const gone = await client.read(inside).catch((error) => error.response);
step("delete", gone.status === 410);
