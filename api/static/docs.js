// The reference: Swagger UI on the document of this API. Nothing is fetched from, or sent to, anybody else.
"use strict";

const reference = document.getElementById("reference");

SwaggerUIBundle({
  url: reference.dataset.url,
  domNode: reference,
  deepLinking: true,
  // The online validator of swagger.io would be told about this installation.
  validatorUrl: null,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  // A key stays in this page until it is closed.
  persistAuthorization: false,
});
